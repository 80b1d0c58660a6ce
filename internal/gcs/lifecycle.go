package gcs

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cloud.google.com/go/storage"
)

// Rule says what happens to the objects of a bucket below a prefix, some days
// after they were written. As text: bronze/=nearline@30, tmp/=delete@7.
type Rule struct {
	Prefix string // "": all objects
	Action string // delete, or a storage class in lower case: nearline, coldline, archive
	Days   int64
}

func (r Rule) String() string { return fmt.Sprintf("%s=%s@%d", r.Prefix, r.Action, r.Days) }

var ruleForm = regexp.MustCompile(`^([^=*]*)=(delete|nearline|coldline|archive)@([1-9][0-9]{0,4})$`)

// ParseRule reads a rule as String writes it.
func ParseRule(text string) (Rule, error) {
	m := ruleForm.FindStringSubmatch(text)
	if m == nil {
		return Rule{}, fmt.Errorf("rule %q: expected PREFIX=ACTION@DAYS with delete, nearline, coldline or archive, such as bronze/=nearline@30 or tmp/=delete@7", text)
	}
	days, err := strconv.ParseInt(m[3], 10, 64)
	if err != nil {
		return Rule{}, fmt.Errorf("rule %q: %w", text, err)
	}
	return Rule{Prefix: m[1], Action: m[2], Days: days}, nil
}

// Lifecycle returns a bucket's rules, and how many others it has that are not of
// this form.
func (c *Client) Lifecycle(ctx context.Context, uri string) (rules []Rule, others int, err error) {
	attrs, err := c.attrs(ctx, uri)
	if err != nil {
		return nil, 0, err
	}
	for _, r := range attrs.Lifecycle.Rules {
		if known := rulesOf(r); known != nil {
			rules = append(rules, known...)
		} else {
			others++
		}
	}
	return rules, others, nil
}

// SetLifecycle replaces the bucket's rules of this form; others stay. Nothing
// happens if somebody changes the bucket at the same time.
func (c *Client) SetLifecycle(ctx context.Context, uri string, rules []Rule) error {
	attrs, err := c.attrs(ctx, uri)
	if err != nil {
		return err
	}
	next := slices.DeleteFunc(slices.Clone(attrs.Lifecycle.Rules), func(r storage.LifecycleRule) bool { return rulesOf(r) != nil })
	for _, r := range rules {
		next = append(next, r.rule())
	}
	bucket := c.client.Bucket(attrs.Name).If(storage.BucketConditions{MetagenerationMatch: attrs.MetaGeneration})
	if _, err := bucket.Update(ctx, storage.BucketAttrsToUpdate{Lifecycle: &storage.Lifecycle{Rules: next}}); err != nil {
		return explain("set the lifecycle of", uri, err)
	}
	return nil
}

func (c *Client) attrs(ctx context.Context, uri string) (*storage.BucketAttrs, error) {
	bucket, prefix, err := Split(uri)
	if err != nil {
		return nil, err
	}
	if prefix != "" {
		return nil, fmt.Errorf("%s: expected a bucket alone, such as gs://%s: rules belong to the whole bucket", uri, bucket)
	}
	attrs, err := c.client.Bucket(bucket).Attrs(ctx)
	if err != nil {
		return nil, explain("read", uri, err)
	}
	return attrs, nil
}

func (r Rule) rule() storage.LifecycleRule {
	action := storage.LifecycleAction{Type: storage.DeleteAction}
	if r.Action != "delete" {
		action = storage.LifecycleAction{Type: storage.SetStorageClassAction, StorageClass: strings.ToUpper(r.Action)}
	}
	condition := storage.LifecycleCondition{AgeInDays: r.Days}
	if r.Prefix != "" {
		condition.MatchesPrefix = []string{r.Prefix}
	}
	return storage.LifecycleRule{Action: action, Condition: condition}
}

// rulesOf returns the rules that one of the service's stands for, nil if it says
// something else.
func rulesOf(r storage.LifecycleRule) []Rule {
	prefixes := r.Condition.MatchesPrefix
	if len(prefixes) == 0 {
		prefixes = []string{""}
	}
	var out []Rule
	for _, prefix := range prefixes {
		action := "delete"
		if r.Action.Type == storage.SetStorageClassAction {
			action = strings.ToLower(r.Action.StorageClass)
		}
		rule := Rule{Prefix: prefix, Action: action, Days: r.Condition.AgeInDays}
		if parsed, err := ParseRule(rule.String()); err != nil || parsed != rule {
			return nil
		}
		out = append(out, rule)
	}
	// A rule with further conditions is another one.
	one := Rule{Action: out[0].Action, Days: out[0].Days}.rule()
	one.Condition.MatchesPrefix = r.Condition.MatchesPrefix
	if !sameRule(one, r) {
		return nil
	}
	return out
}

func sameRule(a, b storage.LifecycleRule) bool {
	return fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b)
}

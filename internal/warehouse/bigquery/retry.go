package bigquery

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"google.golang.org/api/googleapi"
)

// retry says how often and how long a request is sent, and a load job is tried.
// The client has retries of its own, without an end; a request that is given up
// here ends those, too (call).
type retry struct {
	attempts int           // of a request; also of a load job that fails
	limit    time.Duration // of one attempt to its whole answer
	wait     time.Duration // after the first attempt; it doubles up to longest
	longest  time.Duration
	poll     time.Duration // first wait for a job that is not done; it doubles up to longest
}

var defaultRetry = retry{attempts: 7, limit: 2 * time.Minute, wait: 500 * time.Millisecond, longest: 30 * time.Second, poll: 250 * time.Millisecond}

// pause waits about d: at random, lest all that failed at once come back at once.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d/2 + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// call runs what sends requests. Its error, where a request was given up, is why.
func call(ctx context.Context, what func(ctx context.Context, c *calls) error) error {
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := &calls{giveUp: cancel}
	err := what(context.WithValue(inner, callsKey{}, c), c)
	if cause := context.Cause(inner); err != nil && cause != nil && ctx.Err() == nil {
		return cause
	}
	return err
}

type callsKey struct{}

// calls is what the requests of one call share; they are sent one after another.
type calls struct {
	giveUp  context.CancelCauseFunc
	unclear bool // a request failed that the service may have carried out
}

// retrying sends a request until it is answered for good. All requests here may
// be sent twice: jobs have ids, and updates of a table an etag.
type retrying struct {
	base http.RoundTripper
	retry
}

func (t *retrying) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	c, _ := ctx.Value(callsKey{}).(*calls)
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body) // at most a chunk of an upload, 16 MiB
		if err = errors.Join(err, r.Body.Close()); err != nil {
			return nil, err
		}
	}
	began, wait := time.Now(), t.wait
	for n := 1; ; n++ {
		if body != nil {
			r = r.Clone(ctx)
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		response, err := t.once(r)
		problem := temporaryAnswer(response, err)
		if problem == nil || ctx.Err() != nil {
			return response, err
		}
		if c != nil {
			c.unclear = true
		}
		if n >= t.attempts {
			if c != nil {
				c.giveUp(fmt.Errorf("given up after %d attempts in %s: %w", n, time.Since(began).Round(time.Millisecond), problem))
			}
			return response, err
		}
		if n > 2 { // now and then one fails
			slog.Warn("BigQuery failed, trying again", "attempt", n, "wait", wait, "error", problem)
		}
		if err := pause(ctx, max(wait, min(retryAfter(response), t.longest))); err != nil {
			return nil, err
		}
		wait = min(2*wait, t.longest)
	}
}

// once sends a request and reads the whole answer: one that is cut is an error.
func (t *retrying) once(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), t.limit)
	defer cancel()
	response, err := t.base.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

func retryAfter(r *http.Response) time.Duration {
	if r == nil {
		return 0
	}
	seconds, err := strconv.Atoi(r.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, 3600)) * time.Second
}

// temporaryAnswer returns what went wrong if sending the request again may help.
func temporaryAnswer(r *http.Response, err error) error {
	if err != nil {
		var (
			dns  *net.DNSError
			cert x509.UnknownAuthorityError
			host x509.HostnameError
		)
		if errors.As(err, &cert) || errors.As(err, &host) || (errors.As(err, &dns) && dns.IsNotFound) {
			return nil
		}
		return err
	}
	if r.StatusCode < http.StatusBadRequest {
		return nil
	}
	body, _ := io.ReadAll(r.Body) // is in memory
	r.Body = io.NopCloser(bytes.NewReader(body))
	reason, message := answerReason(body)
	switch {
	case reason == quotaExceeded:
		return nil
	case temporaryReason(reason), slices.Contains(temporaryCodes, r.StatusCode):
		return &googleapi.Error{Code: r.StatusCode, Message: message, Body: string(body), Errors: []googleapi.ErrorItem{{Reason: reason, Message: message}}}
	}
	return nil
}

var temporaryCodes = []int{
	http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
	http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
}

// answerReason is what the service says about an error, "" where it does not.
func answerReason(body []byte) (reason, message string) {
	var answer struct {
		Error struct {
			Message string
			Errors  []struct{ Reason string }
		}
	}
	if json.Unmarshal(body, &answer) != nil || len(answer.Error.Errors) == 0 {
		return "", answer.Error.Message
	}
	return answer.Error.Errors[0].Reason, answer.Error.Message
}

package telemetry

import "strings"

// Condition is one thing that readiness depends on, or that who asks for it
// should know.
type Condition struct {
	Name   string // one word
	OK     bool   // false: not ready
	Detail string // for people; "" where there is nothing to say
}

// ready reports whether all conditions hold, and the answer to who asks: "ok" or
// "not ready", and a line for each condition that has something to say, those
// that do not hold first.
func ready(conditions []Condition) (ok bool, text string) {
	ok = true
	var bad, good strings.Builder
	for _, c := range conditions {
		switch {
		case !c.OK:
			ok = false
			bad.WriteString(c.Name + ": " + c.Detail + "\n")
		case c.Detail != "":
			good.WriteString(c.Name + ": " + c.Detail + "\n")
		}
	}
	if ok {
		return true, "ok\n" + good.String()
	}
	return false, "not ready\n" + bad.String() + good.String()
}

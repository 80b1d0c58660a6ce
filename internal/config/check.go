package config

import (
	"net"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// checks are the rules of single values that a range or a list cannot say.
var checks = map[string]struct {
	ok      func(reflect.Value) bool
	allowed string
}{
	"brokers": {
		func(v reflect.Value) bool {
			brokers := v.Interface().([]string)
			for _, b := range brokers {
				host, _, ok := splitAddress(b, 1)
				if !ok || host == "" {
					return false
				}
			}
			return len(brokers) > 0
		},
		"a list of host:port, at least one, such as localhost:9092",
	},
	"topic": {
		func(v reflect.Value) bool {
			return topicName.MatchString(v.String()) && v.String() != "." && v.String() != ".."
		},
		"a name of 1 to 249 letters, digits, dots, underscores and hyphens, not . or ..",
	},
	"name": {
		func(v reflect.Value) bool { return strings.TrimSpace(v.String()) != "" },
		"a text that is not empty",
	},
	"start": {
		func(v reflect.Value) bool {
			switch s := v.String(); s {
			case "ledger", "earliest", "latest":
				return true
			default:
				_, ok := Kafka{Start: s}.StartTime()
				return ok
			}
		},
		"ledger, earliest, latest or a time such as 2026-03-01T10:00:00Z",
	},
	"window": {
		func(v reflect.Value) bool { return validWindow(time.Duration(v.Int())) },
		"a duration from 1s that divides 5m (10s, 1m, 5m), or a multiple of 5m that divides 24h (15m, 1h, 24h)",
	},
	"lake": {
		func(v reflect.Value) bool {
			scheme, rest, ok := strings.Cut(v.String(), "://")
			return !ok || scheme == "file" && strings.HasPrefix(rest, "/") || scheme == "gs" && rest != "" && rest[0] != '/'
		},
		"a folder, file:///folder or gs://bucket/prefix",
	},
	"zone": {
		func(v reflect.Value) bool {
			_, err := time.LoadLocation(v.String())
			return err == nil && v.String() != "" && v.String() != "Local"
		},
		"a name of the time zone database such as UTC or Europe/London",
	},
	"days": {
		func(v reflect.Value) bool {
			for _, day := range v.Interface().([]string) {
				if _, err := time.Parse(time.DateOnly, day); err != nil {
					return false
				}
			}
			return true
		},
		"a list of days such as 2026-12-28",
	},
	"listen": {
		func(v reflect.Value) bool {
			_, _, ok := splitAddress(v.String(), 0)
			return ok || v.String() == ""
		},
		"host:port or :port, such as 127.0.0.1:9464, or empty",
	},
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// splitAddress reads host:port; the port is a number from minPort to 65535.
func splitAddress(s string, minPort int) (host string, port int, ok bool) {
	host, text, err := net.SplitHostPort(s)
	if err != nil || strings.ContainsAny(host, " \t\n/,@") || !wholeNumber.MatchString(text) {
		return "", 0, false
	}
	port, err = strconv.Atoi(text)
	return host, port, err == nil && port >= minPort && port <= 65535
}

// validWindow holds what the metrics need: 5-minute windows are made of base
// windows, or each base window is cut into 5-minute parts of its day.
func validWindow(d time.Duration) bool {
	const five, day = 5 * time.Minute, 24 * time.Hour
	return d > 0 && (five%d == 0 || d%five == 0 && day%d == 0)
}

// validate checks the rules between keys of a configuration whose values are
// each valid. at says where a key's value comes from.
func validate(cfg *Config, at func(key string) string) []*Error {
	var errs []*Error
	rule := func(holds bool, key, found, allowed string) {
		if !holds {
			errs = append(errs, &Error{Where: at(key), Key: key, Found: found, Allowed: allowed})
		}
	}
	k, st, sim := cfg.Kafka, cfg.Stream, cfg.Simulate

	rule(k.CAFile == "" || k.TLS, "kafka.ca_file", strconv.Quote(k.CAFile),
		"nothing while kafka.tls is false; set kafka.tls: true")
	rule(k.SASL == "" || k.User != "", "kafka.sasl", strconv.Quote(k.SASL),
		`"" while kafka.user is ""; set kafka.user`)
	rule(k.SASL == "" || k.PasswordFile != "", "kafka.sasl", strconv.Quote(k.SASL),
		`"" while kafka.password_file is ""; set kafka.password_file`)
	rule(k.SASL != "" || k.User == "", "kafka.user", strconv.Quote(k.User),
		`nothing while kafka.sasl is ""; set kafka.sasl`)
	rule(k.SASL != "" || k.PasswordFile == "", "kafka.password_file", strconv.Quote(k.PasswordFile),
		`nothing while kafka.sasl is ""; set kafka.sasl`)
	rule(st.Budget >= st.MaxEventBytes, "stream.budget", st.Budget.String(),
		"at least stream.max_event_bytes, which is "+st.MaxEventBytes.String())
	rule(sim.MaxDelay == 0 || sim.MaxDelay < st.OutOfOrderness, "simulate.max_delay", formatDuration(sim.MaxDelay),
		"less than stream.out_of_orderness, which is "+formatDuration(st.OutOfOrderness)+", or 0s")
	return errs
}

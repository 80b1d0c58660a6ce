package kafkaio

import "time"

// started has a monotonic reading, which a time made from milliseconds lacks.
var started = time.Now()

// uptime is the time since this process began, on a clock that nobody sets:
// what is idle, and what answers, must not depend on the wall clock. It starts
// at a day, so that no moment of the past is 0.
func uptime() time.Duration { return 24*time.Hour + time.Since(started) }

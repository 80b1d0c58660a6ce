package shop

import (
	"bytes"
	"time"
)

// Limits bound what a record may be.
type Limits struct {
	// MaxBytes is the largest Kafka value that is looked at.
	MaxBytes int
	// Skew is how far an event's clock may be ahead of the timestamp of its
	// Kafka record.
	Skew time.Duration
	// MaxAmount is the most that an order line may amount to, unit_price ×
	// quantity; 0: MaxMoney.
	MaxAmount Money
}

// DefaultLimits are 1 MiB and 5 minutes.
var DefaultLimits = Limits{MaxBytes: 1 << 20, Skew: 5 * time.Minute}

// Event times lie in [minTime, maxTime), ms: the years 2000 to 2100 in UTC.
const (
	minTime = 946_684_800_000
	maxTime = 4_133_980_800_000
)

// EventTime finds the event time of a record without parsing it: the text
// behind the first "event_time" in raw that stands in quotes. It costs a fifth
// of a Parse and allocates nothing. ms is in milliseconds since the epoch, UTC;
// ok is false when there is no such time, it is not RFC 3339, out of range, or
// in the future of recordTime (the Kafka record's timestamp, ms), and when raw
// is larger than the limit.
//
// It may well read a time from a record that Parse rejects. Of a record that
// Parse accepts it always reads the same time: Parse rejects the others as
// AmbiguousEventTime.
func EventTime(raw []byte, recordTime int64, l Limits) (ms int64, ok bool) {
	if len(raw) > l.MaxBytes {
		return 0, false
	}
	text, ok := findTime(raw)
	if !ok {
		return 0, false
	}
	ms, ok = parseTime(text)
	if !ok || timeReason(ms, recordTime, l) != "" {
		return 0, false
	}
	return ms, true
}

var timeKey = []byte(`"event_time"`)

// maxTimeText is the length of 2006-01-02T15:04:05.123456789+05:30.
const maxTimeText = 35

// findTime returns what stands in quotes behind the first "event_time":.
func findTime(raw []byte) ([]byte, bool) {
	i := bytes.Index(raw, timeKey)
	if i < 0 {
		return nil, false
	}
	b := skipSpace(raw[i+len(timeKey):])
	if len(b) == 0 || b[0] != ':' {
		return nil, false
	}
	b = skipSpace(b[1:])
	if len(b) == 0 || b[0] != '"' {
		return nil, false
	}
	b = b[1:min(len(b), maxTimeText+2)]
	end := bytes.IndexByte(b, '"')
	if end < 0 {
		return nil, false
	}
	return b[:end], true
}

func skipSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	return b
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// timeReason says what is wrong with an event time that is well-formed; empty
// if nothing.
func timeReason(ms, recordTime int64, l Limits) Reason {
	switch {
	case ms < minTime || ms >= maxTime:
		return EventTimeOutOfRange
	case recordTime < minTime && ms-l.Skew.Milliseconds() > recordTime:
		return BadRecordTime
	case ms-l.Skew.Milliseconds() > recordTime: // this side of the inequality cannot wrap
		return EventTimeInFuture
	}
	return ""
}

// parseTime reads RFC 3339 with a capital T and Z, any offset, and up to nine
// decimals of a second; those beyond the millisecond are cut off. Leap seconds
// (:60) are refused: no clock here can say when they were.
func parseTime(s []byte) (ms int64, ok bool) {
	if len(s) < len("2006-01-02T15:04:05Z") || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return 0, false
	}
	year, month, day := decimal(s[0:4]), decimal(s[5:7]), decimal(s[8:10])
	hour, minute, second := decimal(s[11:13]), decimal(s[14:16]), decimal(s[17:19])
	if year < 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || !isClock(hour, minute) || second < 0 || second > 59 {
		return 0, false
	}
	ms = int64(daysBefore(year, month)+day-1)*86_400_000 + int64(hour*3_600_000+minute*60_000+second*1000)

	s = s[19:]
	if s[0] == '.' {
		n := 1
		for n < len(s) && isDigit(s[n]) {
			n++
		}
		if n == 1 || n > 10 || n == len(s) {
			return 0, false
		}
		for i, unit := 1, int64(100); i < n && unit > 0; i, unit = i+1, unit/10 {
			ms += int64(s[i]-'0') * unit
		}
		s = s[n:]
	}

	if len(s) == 1 {
		return ms, s[0] == 'Z'
	}
	if len(s) != len("+05:30") || s[3] != ':' {
		return 0, false
	}
	oh, om := decimal(s[1:3]), decimal(s[4:6])
	if !isClock(oh, om) {
		return 0, false
	}
	offset := int64(oh*60+om) * 60_000
	switch s[0] {
	case '+':
		return ms - offset, true
	case '-':
		return ms + offset, true
	}
	return 0, false
}

func isClock(hour, minute int) bool {
	return hour >= 0 && hour < 24 && minute >= 0 && minute < 60
}

// decimal is the number that the digits of s are, or -1.
func decimal(s []byte) int {
	n := 0
	for _, c := range s {
		if !isDigit(c) {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

func isLeap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if isLeap(year) {
			return 29
		}
		return 28
	}
	return 31
}

// daysBefore counts the days from 1970-01-01 to the first of the month in the
// proleptic Gregorian calendar, in years that begin in March so that the leap
// day is the last one.
func daysBefore(year, month int) int {
	if month < 3 {
		year--
		month += 12
	}
	year += 400 // no negative division in year 0; 400 years are 146097 days
	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 - 719_468 - 146_097
}

func utc(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

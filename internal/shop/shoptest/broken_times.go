package shoptest

import "example.com/shopstream/internal/shop"

// brokenTimes have a time that is none, or none that can be.
func brokenTimes() []Case {
	at := func(name, value string, want shop.Reason) Case {
		return broken("time: "+name, view().with("event_time", `"`+value+`"`), want)
	}
	return []Case{
		at("text", "yesterday", shop.BadEventTime),
		at("epoch milliseconds", "1772360100123", shop.BadEventTime),
		at("date", "2026-03-01", shop.BadEventTime),
		at("no zone", "2026-03-01T10:15:00.123", shop.BadEventTime),
		at("no seconds", "2026-03-01T10:15Z", shop.BadEventTime),
		at("space for T", "2026-03-01 10:15:00Z", shop.BadEventTime),
		at("lower-case t", "2026-03-01t10:15:00Z", shop.BadEventTime),
		at("lower-case z", "2026-03-01T10:15:00z", shop.BadEventTime),
		at("zone by name", "2026-03-01T10:15:00 CET", shop.BadEventTime),
		at("zone without colon", "2026-03-01T10:15:00+0100", shop.BadEventTime),
		at("zone of hours", "2026-03-01T10:15:00+01", shop.BadEventTime),
		at("zone of 24 hours", "2026-03-01T10:15:00+24:00", shop.BadEventTime),
		at("zone of 60 minutes", "2026-03-01T10:15:00+01:60", shop.BadEventTime),
		at("zone with another minus", "2026-03-01T10:15:00−01:00", shop.BadEventTime),
		at("zone without a sign", "2026-03-01T10:15:00 01:00", shop.BadEventTime),
		at("basic format", "20260301T101500Z", shop.BadEventTime),
		at("week date", "2026-W09-7T10:15:00Z", shop.BadEventTime),
		at("month 00", "2026-00-01T10:15:00Z", shop.BadEventTime),
		at("month 13", "2026-13-01T10:15:00Z", shop.BadEventTime),
		at("day 00", "2026-03-00T10:15:00Z", shop.BadEventTime),
		at("30 February", "2026-02-30T10:15:00Z", shop.BadEventTime),
		at("29 February of a common year", "2026-02-29T10:15:00Z", shop.BadEventTime),
		at("29 February 2100", "2100-02-29T10:15:00Z", shop.BadEventTime),
		at("31 April", "2025-04-31T10:15:00Z", shop.BadEventTime),
		at("hour 25", "2026-03-01T25:00:00Z", shop.BadEventTime),
		at("hour 24", "2026-02-28T24:00:00Z", shop.BadEventTime),
		at("minute 60", "2026-03-01T10:60:00Z", shop.BadEventTime),
		at("second 60", "2016-12-31T23:59:60Z", shop.BadEventTime),
		at("second 61", "2026-03-01T10:15:61Z", shop.BadEventTime),
		at("no decimals behind the point", "2026-03-01T10:15:00.Z", shop.BadEventTime),
		at("comma for point", "2026-03-01T10:15:00,123Z", shop.BadEventTime),
		at("ten decimals", "2026-03-01T10:15:00.1234567890Z", shop.BadEventTime),
		at("two zones", "2026-03-01T10:15:00Z+01:00", shop.BadEventTime),
		at("space behind", "2026-03-01T10:15:00Z ", shop.BadEventTime),
		at("space in front", " 2026-03-01T10:15:00Z", shop.BadEventTime),
		at("five-digit year", "12026-03-01T10:15:00Z", shop.BadEventTime),
		at("negative year", "-026-03-01T10:15:00Z", shop.BadEventTime),
		at("digits of another script", "２０２６-03-01T10:15:00Z", shop.BadEventTime),

		at("year 0000", "0000-01-01T00:00:00Z", shop.EventTimeOutOfRange),
		at("year 0001", "0001-01-01T00:00:00Z", shop.EventTimeOutOfRange),
		at("epoch", "1970-01-01T00:00:00Z", shop.EventTimeOutOfRange),
		at("year 1999", "1999-12-31T23:59:59.999Z", shop.EventTimeOutOfRange),
		at("year 1999 by its offset", "2000-01-01T00:59:59+01:00", shop.EventTimeOutOfRange),
		at("year 2101", "2101-01-01T00:00:00Z", shop.EventTimeOutOfRange),
		at("year 2101 by its offset", "2100-12-31T23:30:00-00:30", shop.EventTimeOutOfRange),
		at("year 9999", "9999-12-31T23:59:59.999Z", shop.EventTimeOutOfRange),

		at("a clock a year ahead", "2027-03-01T12:00:00Z", shop.EventTimeInFuture),
		at("a millisecond more than the skew", "2026-03-01T12:05:00.001Z", shop.EventTimeInFuture),
		at("local time called UTC", "2026-03-01T14:00:00Z", shop.EventTimeInFuture),
		at("year 2100", "2100-12-31T23:59:59.999Z", shop.EventTimeInFuture),
		{"time: record without a timestamp", []byte(view().String()), -1, shop.BadRecordTime},
		{"time: record with a timestamp in seconds", []byte(view().String()), 1_772_366_400, shop.BadRecordTime},
		{"time: record with a timestamp of 1970", []byte(view().String()), 0, shop.BadRecordTime},
		{"time: record with a timestamp of 1999", []byte(view().String()), 946_684_799_999, shop.BadRecordTime},

		broken("ambiguous: key text at the end of a string", view().first("product_name", `"a \"event_time"`), shop.AmbiguousEventTime),
		broken("ambiguous: key text is a string", view().first("product_name", `"event_time"`), shop.AmbiguousEventTime),
		broken("ambiguous: key in an earlier object", view().first("meta", `{"event_time":"2026-03-01T09:00:00Z"}`), shop.AmbiguousEventTime),
		broken("ambiguous: key in an earlier array", view().first("meta", `[{"event_time":1}]`), shop.AmbiguousEventTime),
		broken("ambiguous: escaped key", view().without("event_time").with(`event\u005ftime`, `"2026-03-01T10:15:00Z"`), shop.AmbiguousEventTime),
		broken("ambiguous: escaped key, then another", view().without("event_time").with(`event\u005ftime`, `"2026-03-01T10:15:00Z"`).
			with("meta", `{"event_time":"2026-03-01T09:00:00Z"}`), shop.AmbiguousEventTime),
		broken("ambiguous: escaped value", view().with("event_time", `"2026\u002d03-01T10:15:00Z"`), shop.AmbiguousEventTime),
		broken("missing: event_time, but a nested one", view().without("event_time").with("meta", `{"event_time":"2026-03-01T09:00:00Z"}`), shop.MissingField("event_time")),
	}
}

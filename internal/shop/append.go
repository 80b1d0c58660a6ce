package shop

import (
	"strconv"
	"time"
)

// AppendJSON appends the canonical JSON of e to dst: fields in the order of
// the contract, absent ones left out, the time in UTC with milliseconds, the
// price as a decimal string. Parse gives e back, provided that e is valid and
// its strings are valid UTF-8.
func AppendJSON(dst []byte, e *Event) []byte {
	dst = append(dst, `{"event_id":"`...)
	dst = appendUUID(dst, e)
	dst = append(dst, `","event_type":"`...)
	dst = append(dst, e.Type.String()...)
	dst = append(dst, `","event_time":"`...)
	dst = time.UnixMilli(e.Time).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	dst = append(dst, '"')
	dst = appendField(dst, "product_id", e.ProductID)
	dst = appendField(dst, "user_id", e.UserID)
	dst = appendField(dst, "session_id", e.SessionID)
	if e.Category != Uncategorized {
		dst = appendField(dst, "category", e.Category)
	}
	dst = appendField(dst, "product_name", e.ProductName)
	dst = appendField(dst, "country", e.Country)
	if e.IsOrder() {
		dst = appendField(dst, "order_id", e.OrderID)
		if e.Line != 0 {
			dst = append(dst, `,"line":`...)
			dst = strconv.AppendInt(dst, e.Line, 10)
		}
		dst = append(dst, `,"quantity":`...)
		dst = strconv.AppendInt(dst, e.Quantity, 10)
		dst = append(dst, `,"unit_price":"`...)
		dst = e.UnitPrice.Append(dst)
		dst = append(dst, '"')
		dst = appendField(dst, "currency", e.Currency)
	}
	dst = append(dst, `,"schema_version":`...)
	dst = strconv.AppendInt(dst, e.Version, 10)
	return append(dst, '}')
}

func appendUUID(dst []byte, e *Event) []byte {
	const hex = "0123456789abcdef"
	for i, b := range e.ID {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, hex[b>>4], hex[b&15])
	}
	return dst
}

// appendField appends a member, or nothing if the value is empty.
func appendField(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return appendString(dst, value)
}

func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		if c < ' ' {
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		} else {
			dst = append(dst, '\\', c)
		}
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

package serve

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
)

const jsonType = "application/json"

// answer is what a request gets.
type answer struct {
	status      int
	contentType string
	body        []byte
	etag        string
	arm         string   // that answered, or ""
	header      []string // more names and values
}

func jsonAnswer(body []byte) answer {
	return answer{status: http.StatusOK, contentType: jsonType, body: body}
}

// write sends the answer.
func (a *answer) write(w http.ResponseWriter, log *slog.Logger) {
	h := w.Header()
	for i := 0; i+1 < len(a.header); i += 2 {
		h.Set(a.header[i], a.header[i+1])
	}
	if a.etag != "" {
		h.Set("ETag", a.etag)
		h.Set("Vary", unitHeader+", Authorization")
		h.Set("Cache-Control", "private, no-cache") // to be kept, and asked for again with its tag
	}
	h.Set("X-Content-Type-Options", "nosniff")
	if a.contentType != "" {
		h.Set("Content-Type", a.contentType)
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	if len(a.body) == 0 {
		return
	}
	if _, err := w.Write(a.body); err != nil { //nolint:gosec // of the type that the header says, which nobody may guess otherwise
		log.Debug("the answer was not taken", "error", err)
	}
}

// matches reports whether a field If-None-Match holds the tag, compared weakly
// (RFC 9110, 13.1.2).
func matches(field, tag string) bool {
	if field == "" {
		return false
	}
	for part := range strings.SplitSeq(field, ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.TrimPrefix(part, "W/") == tag {
			return true
		}
	}
	return false
}

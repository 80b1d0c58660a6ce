package lake

import (
	"log/slog"
	"strings"
	"sync"

	"cloud.google.com/go/civil"
)

// Other programs put files into folders: Thumbs.db, desktop.ini, the copy "x (1).json"
// of a tool that synchronises. A file of the lake has a name that the lake gives;
// every other is left alone, and warned of.

// warned are the names that this process has warned of.
var warned sync.Map

// warnForeign warns of a file that is not the lake's, once.
func warnForeign(st Store, name string) {
	if _, again := warned.LoadOrStore(st.URI()+" "+name, true); !again {
		slog.Warn("not a file of the lake, left alone: move it away if you do not need it there", "lake", st.URI(), "name", name)
	}
}

// dateFiled returns the date of an object that is filed by one: dir/date=….json.
func dateFiled(dir, name string) (date civil.Date, ok bool) {
	text, ok := strings.CutPrefix(name, dir+"/date=")
	if !ok {
		return date, false
	}
	text, ok = strings.CutSuffix(text, ".json")
	if !ok {
		return date, false
	}
	date, err := civil.ParseDate(text)
	return date, err == nil
}

package guard

import (
	"container/list"
	"net"
	"net/http"
	"sync"

	"golang.org/x/net/netutil"
)

// Bound lets a server have at most so many connections that wait for a request:
// where one more comes, the one that has waited longest is closed. So clients
// that connect and ask for nothing cost no descriptors, and keep nobody out.
// The listener that it returns, to serve on, has twice as many connections at
// most; what is in them is up to the server's time-outs.
func Bound(s *http.Server, l net.Listener, most int) net.Listener {
	w := waiting{most: most, places: map[net.Conn]*list.Element{}}
	s.ConnState = w.changed
	return netutil.LimitListener(l, 2*most)
}

// waiting are the connections without a request, the oldest first.
type waiting struct {
	most   int
	mu     sync.Mutex
	order  list.List
	places map[net.Conn]*list.Element
}

func (w *waiting) changed(c net.Conn, state http.ConnState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if place, ok := w.places[c]; ok {
		w.order.Remove(place)
		delete(w.places, c)
	}
	if state != http.StateNew && state != http.StateIdle {
		return
	}
	w.places[c] = w.order.PushBack(c)
	if w.order.Len() > w.most {
		oldest := w.order.Remove(w.order.Front()).(net.Conn)
		delete(w.places, oldest)
		oldest.Close() //nolint:errcheck,gosec // the server notices
	}
}

package trees

import (
	"fmt"
	"syscall"
	"testing"
)

func utime() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(0, &u)
	return float64(u.Utime.Nano())
}

func TestScoreCPU(t *testing.T) {
	m, rows := benchModel(&testing.B{}, 200, 8)
	n := len(rows) / 30
	dst := make([]float64, n)
	s := newScorer(m)
	e, _ := m.Leaves()
	wide := make([]float64, len(rows))
	for i, v := range rows {
		wide[i] = float64(v)
	}
	for range 3 {
		a := utime()
		s.add(dst, rows, 30)
		b := utime()
		m.walk(dst, rows)
		c := utime()
		e.PredictDense(wide, n, 30, dst, 0, 1)
		d := utime()
		for i := 0; i < n; i += 128 {
			s.rankRows(min(128, n-i), rows[i*30:], 30, make([]uint16, 128*60))
		}
		f := utime()
		fmt.Printf("cpu ns/row: scorer %.0f walk %.0f leaves %.0f ranks %.0f\n", (b-a)/float64(n), (c-b)/float64(n), (d-c)/float64(n), (f-d)/float64(n))
	}
}

func TestSmallCPU(t *testing.T) {
	m, rows := benchModel(&testing.B{}, 200, 8)
	s := newScorer(m)
	e, _ := m.Leaves()
	dst := make([]float64, 64)
	for _, n := range []int{1, 2, 4, 8, 16, 64} {
		a := utime()
		for i := 0; i < 4000-n; i++ {
			s.add(dst[:n], rows[i*30:(i+n)*30], 30)
		}
		b := utime()
		wide := make([]float64, n*30)
		for i := 0; i < 4000-n; i++ {
			for k, v := range rows[i*30 : (i+n)*30] {
				wide[k] = float64(v)
			}
			e.PredictDense(wide, n, 30, dst, 0, 1)
		}
		c := utime()
		fmt.Printf("cpu n=%d us/call: scorer %.1f leaves %.1f\n", n, (b-a)/4e6, (c-b)/4e6)
	}
}

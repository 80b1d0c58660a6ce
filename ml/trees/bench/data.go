package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// Files of the data folder: float32, little-endian, no header. Each side reads
// the layout it takes: by column here, by row in Python.
const (
	columnsFile = "columns.f32"
	rowsFile    = "rows.f32"
	targetFile  = "target.f32"
	heldRows    = "held_rows.f32"
	heldTarget  = "held_target.f32"
)

// heldOut is the number of rows that only the error is measured on.
func (t task) heldOut() int { return t.Rows / 10 }

// makeData writes columns of normal and integer values, 3 % of them missing,
// and a target that depends on five of them and on noise.
func makeData(folder string, t task) error {
	r := rand.New(rand.NewPCG(1, 2))
	n := t.Rows + t.heldOut()
	rows := make([]float32, n*t.Features)
	target := make([]float32, n)
	for i := range n {
		row := rows[i*t.Features:][:t.Features]
		for f := range row {
			row[f] = float32(r.NormFloat64())
			if f%3 == 2 {
				row[f] = float32(math.Floor(4 * math.Abs(float64(row[f]))))
			}
		}
		mean := float64(row[0]*row[1]) + math.Sin(3*float64(row[2])) + 2*float64(row[3]) + float64(max(row[4], 0))
		target[i] = float32(mean + 2*r.NormFloat64())
		if t.Objective == "poisson" {
			target[i] = float32(math.Round(math.Exp(mean/4) * r.ExpFloat64()))
		}
		for f := range row {
			if r.Float64() < 0.03 {
				row[f] = float32(math.NaN())
			}
		}
	}
	split := t.Rows * t.Features
	columns := make([]float32, split)
	for f := range t.Features {
		for i := range t.Rows {
			columns[f*t.Rows+i] = rows[i*t.Features+f]
		}
	}
	for _, file := range []struct {
		name   string
		values []float32
	}{
		{columnsFile, columns},
		{rowsFile, rows[:split]},
		{targetFile, target[:t.Rows]},
		{heldRows, rows[split:]},
		{heldTarget, target[t.Rows:]},
	} {
		if err := writeFloats(filepath.Join(folder, file.name), file.values); err != nil {
			return err
		}
	}
	return nil
}

func writeFloats(path string, values []float32) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	var b [4]byte
	for _, v := range values {
		binary.LittleEndian.PutUint32(b[:], math.Float32bits(v))
		if _, err := w.Write(b[:]); err != nil {
			return err
		}
	}
	return w.Flush()
}

func readFloats(path string, n int) ([]float32, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	values := make([]float32, n)
	buffer := make([]byte, 1<<16)
	for done := 0; done < n; {
		part := buffer[:min(len(buffer), 4*(n-done))]
		if err := binary.Read(r, binary.LittleEndian, part); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		for i := 0; i < len(part); i += 4 {
			values[done] = math.Float32frombits(binary.LittleEndian.Uint32(part[i:]))
			done++
		}
	}
	return values, nil
}

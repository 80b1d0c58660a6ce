package trees

import (
	"errors"
	"fmt"
	"math"
)

// MaxRows is the largest number of rows of a Matrix that can be binned:
// histograms count rows in 24 bits.
const MaxRows = 1<<24 - 1

// MaxFeatures is the largest number of columns of a Matrix.
const MaxFeatures = 1 << 16

// maxCategory is one above the largest category code: XGBoost holds codes as
// float32, exact up to here.
const maxCategory = 1 << 24

// Matrix is a table of features, by column: Columns[f][row]. NaN is a missing
// value; infinities are refused. A column whose Categorical is true holds
// integer codes from 0 to 16,777,215 without an order. Names may be nil.
type Matrix struct {
	Names       []string
	Columns     [][]float32
	Categorical []bool // nil: none
}

// Rows is the number of rows, 0 for a matrix without columns.
func (m Matrix) Rows() int {
	if len(m.Columns) == 0 {
		return 0
	}
	return len(m.Columns[0])
}

// RowMajor copies the rows [from, to) into one slice of (to-from)×columns
// values, the layout that Model.Predict takes.
func (m Matrix) RowMajor(from, to int) []float32 {
	width := len(m.Columns)
	out := make([]float32, (to-from)*width)
	for f, column := range m.Columns {
		for i, v := range column[from:to] {
			out[i*width+f] = v
		}
	}
	return out
}

// name is how errors call column f.
func (m Matrix) name(f int) string {
	if f < len(m.Names) {
		return fmt.Sprintf("column %d (%q)", f, m.Names[f])
	}
	return fmt.Sprintf("column %d", f)
}

func (m Matrix) categorical(f int) bool {
	return m.Categorical != nil && m.Categorical[f]
}

// validate checks the shape. Values are checked where they are read.
func (m Matrix) validate() error {
	width := len(m.Columns)
	switch {
	case width == 0:
		return errors.New("trees: the matrix has no columns")
	case width > MaxFeatures:
		return fmt.Errorf("trees: the matrix has %d columns, at most %d are possible", width, MaxFeatures)
	case m.Names != nil && len(m.Names) != width:
		return fmt.Errorf("trees: the matrix has %d columns but %d names", width, len(m.Names))
	case m.Categorical != nil && len(m.Categorical) != width:
		return fmt.Errorf("trees: the matrix has %d columns but %d categorical flags", width, len(m.Categorical))
	case m.Rows() == 0:
		return errors.New("trees: the matrix has no rows")
	case m.Rows() > MaxRows:
		return fmt.Errorf("trees: the matrix has %d rows, at most %d are possible: train on a sample", m.Rows(), MaxRows)
	}
	for f, column := range m.Columns {
		if len(column) != m.Rows() {
			return fmt.Errorf("trees: %s has %d rows, the first column has %d", m.name(f), len(column), m.Rows())
		}
	}
	return nil
}

// checkValue refuses what a column cannot hold.
func checkValue(v float32, categorical bool) error {
	switch {
	case v != v:
		return nil
	case math.IsInf(float64(v), 0):
		return errors.New("value is infinite: use NaN for a missing value")
	case categorical && (v < 0 || v >= maxCategory || v != float32(int32(v))):
		return fmt.Errorf("category code %v is not an integer from 0 to %d", v, maxCategory-1)
	}
	return nil
}

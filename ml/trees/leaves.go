package trees

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/dmitryikh/leaves"
)

// ErrNotForLeaves tells that the leaves library cannot hold a model.
var ErrNotForLeaves = errors.New("leaves cannot hold the model")

// Leaves hands the trees to the leaves library, an evaluator independent of
// this package's own, in the layout of XGBoost's former binary format, which
// is what leaves reads. The ensemble takes float64 rows and returns margins
// less Base. Models without trees or with categorical splits give an
// ErrNotForLeaves.
func (m *Model) Leaves() (*leaves.Ensemble, error) {
	if m == nil {
		return nil, errNoModel
	}
	var b bytes.Buffer
	if err := m.writeBinary(&b); err != nil {
		return nil, err
	}
	ensemble, err := leaves.XGEnsembleFromReader(bufio.NewReader(&b), false)
	if err != nil {
		return nil, fmt.Errorf("trees: build leaves' ensemble: %w", err)
	}
	return ensemble, nil
}

// Base is the constant that every margin starts from.
func (m *Model) Base() float64 {
	if m == nil {
		return 0
	}
	return m.base
}

// CrossCheck scores rows (row-major, as Predict takes them) with this package
// and with leaves and returns an error that names the first row on which they
// differ by more than rounding. It is a cheap check before a model file is
// trusted. A model that leaves cannot hold gives an ErrNotForLeaves.
func (m *Model) CrossCheck(rows []float32) error {
	ensemble, err := m.Leaves()
	if err != nil {
		return err
	}
	n := len(rows) / m.features
	ours, theirs := make([]float64, n), make([]float64, n)
	if err := m.Margin(ours, rows); err != nil {
		return err
	}
	wide := make([]float64, len(rows))
	for i, v := range rows {
		wide[i] = float64(v)
	}
	if err := ensemble.PredictDense(wide, n, m.features, theirs, 0, 1); err != nil {
		return fmt.Errorf("trees: score with leaves: %w", err)
	}
	for i := range ours {
		if want := theirs[i] + m.base; !(math.Abs(ours[i]-want) <= 1e-9*max(1, math.Abs(want))) {
			return fmt.Errorf("trees: row %d has the margin %v here and %v with leaves: the model or an evaluator is wrong", i, ours[i], want)
		}
	}
	return nil
}

// The records of the binary format, little-endian.
type (
	binHeader struct {
		BaseScore float32
		Features  uint32
		Classes   int32
		_         [31]int32
	}
	binForest struct {
		Trees, Roots, Features, _ int32
		_                         int64
		OutputGroups, LeafVector  int32
		_                         [32]int32
	}
	binTree struct {
		Roots, Nodes, Deleted, MaxDepth, Features, LeafVector int32
		_                                                     [31]int32
	}
	binNode struct {
		Parent, Left, Right int32
		Feature             uint32 // the highest bit: missing goes left
		Value               float32
	}
	binStat struct {
		Gain, Cover, Weight float32
		_                   int32
	}
)

func (m *Model) writeBinary(b *bytes.Buffer) error {
	if len(m.trees) == 0 {
		return fmt.Errorf("trees: %w: it has no trees", ErrNotForLeaves)
	}
	write := func(v any) { _ = binary.Write(b, binary.LittleEndian, v) } // a Buffer does not fail
	text := func(s string) {
		write(uint64(len(s)))
		b.WriteString(s)
	}
	features := int32(m.features)
	write(binHeader{Features: uint32(features)})
	text(m.objective.String())
	text("gbtree")
	write(binForest{Trees: int32(len(m.trees)), Roots: 1, Features: features, OutputGroups: 1})
	for t := range m.trees {
		nodes := m.trees[t].nodes
		write(binTree{Roots: 1, Nodes: int32(len(nodes)), Features: features})
		for i := range nodes {
			n := &nodes[i]
			switch {
			case n.categorical:
				return fmt.Errorf("trees: %w: tree %d has a categorical split", ErrNotForLeaves, t)
			case n.leaf():
				write(binNode{Left: -1, Right: -1, Value: n.value})
				continue
			}
			out := binNode{Left: n.left, Right: n.right, Feature: uint32(n.feature)}
			if n.missingLeft {
				out.Feature |= 1 << 31
			}
			// XGBoost tests v < threshold, leaves v <= threshold.
			out.Value = math.Nextafter32(n.threshold, float32(math.Inf(-1)))
			write(out)
		}
		write(make([]binStat, len(nodes)))
	}
	write(make([]int32, len(m.trees)))
	return nil
}

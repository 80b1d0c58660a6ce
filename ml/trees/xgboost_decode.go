package trees

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Decode reads a model in XGBoost's JSON format, written by Encode or by
// Python's xgboost 3 (Booster.save_model to a name that ends in .json): gbtree
// boosters with one output and the objectives of this package, with missing
// values and categorical splits.
//
// A model with the attribute best_iteration, which early stopping leaves, ends
// at that round, as in xgboost's scikit-learn interface; Booster.predict takes
// all rounds unless told otherwise.
//
// Anything else is an error that says what was found. Decode does not panic,
// and its memory is bounded by a multiple of len(data): it believes no count
// that the text does not back with values.
func Decode(data []byte) (*Model, error) {
	m, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("trees: read XGBoost model: %w", err)
	}
	return m, nil
}

func decode(data []byte) (*Model, error) {
	if err := checkText(data); err != nil {
		return nil, err
	}
	var file xgbFile
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("the text is damaged or of another kind: %w", err)
	}
	learner := &file.Learner
	if err := learner.check(); err != nil {
		return nil, err
	}
	m := &Model{}
	if err := m.setLearner(learner); err != nil {
		return nil, err
	}
	keep, err := learner.treesToKeep()
	if err != nil {
		return nil, err
	}
	// Every tree is read, so that a damaged one is found wherever it is.
	for i, text := range learner.GradientBooster.Model.Trees {
		t, err := decodeTree(text, m.features)
		if err != nil {
			return nil, fmt.Errorf("tree %d: %w", i, err)
		}
		if i < keep {
			m.trees = append(m.trees, t)
		}
	}
	return m, nil
}

// checkText tells the common foreign formats apart.
func checkText(data []byte) error {
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case len(trimmed) == 0:
		return errors.New("the file is empty")
	case trimmed[0] != '{':
		return fmt.Errorf("expected a JSON object, found a file that starts with %q", trimmed[:min(8, len(trimmed))])
	case len(trimmed) > 1 && strings.IndexByte("LlIiU$#", trimmed[1]) >= 0:
		return errors.New("the file is UBJSON, expected JSON: save the model under a name that ends in .json")
	}
	return nil
}

// check refuses kinds of models that one sum of trees cannot hold.
func (l *xgbLearner) check() error {
	booster := &l.GradientBooster
	switch {
	case booster.Name == "":
		return errors.New("no gradient_booster.name: this is no XGBoost model")
	case booster.Name != "gbtree":
		return fmt.Errorf("the booster is %q, only gbtree can be read", booster.Name)
	}
	if n, err := strconv.Atoi(l.Param.NumClass); err != nil || n > 1 {
		return fmt.Errorf("num_class is %q, only models of one output can be read", l.Param.NumClass)
	}
	if l.Param.NumTarget != "" && l.Param.NumTarget != "1" {
		return fmt.Errorf("num_target is %q, only models of one output can be read", l.Param.NumTarget)
	}
	for i, group := range booster.Model.TreeInfo {
		if group != 0 {
			return fmt.Errorf("tree %d belongs to output %d, only models of one output can be read", i, group)
		}
	}
	found := len(booster.Model.Trees)
	if count, err := strconv.Atoi(booster.Model.Param.NumTrees); err != nil || count != found {
		return fmt.Errorf("num_trees is %q but the file holds %d trees", booster.Model.Param.NumTrees, found)
	}
	if len(booster.Model.TreeInfo) != found {
		return fmt.Errorf("tree_info has %d entries but the file holds %d trees", len(booster.Model.TreeInfo), found)
	}
	return nil
}

// setLearner reads everything but the trees.
func (m *Model) setLearner(l *xgbLearner) error {
	var err error
	if m.features, err = strconv.Atoi(l.Param.NumFeature); err != nil || m.features < 1 || m.features > MaxFeatures {
		return fmt.Errorf("num_feature is %q, must be from 1 to %d", l.Param.NumFeature, MaxFeatures)
	}
	if n := len(l.FeatureNames); n != 0 && n != m.features {
		return fmt.Errorf("%d feature_names for %d features", n, m.features)
	}
	if n := len(l.FeatureTypes); n != 0 && n != m.features {
		return fmt.Errorf("%d feature_types for %d features", n, m.features)
	}
	if len(l.FeatureNames) > 0 {
		m.names = l.FeatureNames
	}
	if slices.Contains(l.FeatureTypes, "c") {
		m.categorical = make([]bool, m.features)
		for f, kind := range l.FeatureTypes {
			m.categorical[f] = kind == "c"
		}
	}
	if err := m.setObjective(&l.Objective); err != nil {
		return err
	}
	start, err := parseOne(l.Param.BaseScore)
	if err != nil {
		return fmt.Errorf("base_score: %w", err)
	}
	m.start, m.base = start, m.objective.margin(float64(start))
	if math.IsNaN(m.base) || math.IsInf(m.base, 0) {
		return fmt.Errorf("base_score is %v, which %v cannot have", start, m.objective)
	}
	return nil
}

func (m *Model) setObjective(o *xgbObjective) error {
	known := slices.Index(objectiveNames[:], o.Name)
	if known < 0 {
		return fmt.Errorf("objective %q cannot be read, only %s", o.Name, strings.Join(objectiveNames[:], ", "))
	}
	m.objective = Objective(known)
	read := func(to *float64, name, text string) error {
		v, err := parseOne(text)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		// The shortest decimal of the float32: 0.7 is read as 0.7.
		*to, err = strconv.ParseFloat(formatFloat(float64(v)), 64)
		return err
	}
	switch {
	case m.objective == Poisson && o.Poisson != nil:
		return read(&m.maxDelta, "max_delta_step", o.Poisson.MaxDeltaStep)
	case m.objective == Tweedie && o.Tweedie != nil:
		return read(&m.power, "tweedie_variance_power", o.Tweedie.VariancePower)
	case m.objective == Quantile && o.Quantile != nil:
		return read(&m.alpha, "quantile_alpha", o.Quantile.Alpha)
	case m.objective == Poisson || m.objective == Tweedie || m.objective == Quantile:
		return fmt.Errorf("the parameters of objective %q are missing", o.Name)
	}
	return nil
}

// parseOne reads a number, alone or as the only one of an array: XGBoost
// writes arrays from 3.1 on.
func parseOne(text string) (float32, error) {
	inner := text
	if cut, ok := strings.CutPrefix(text, "["); ok {
		if inner, ok = strings.CutSuffix(cut, "]"); !ok {
			return 0, fmt.Errorf("%q is no number", text)
		}
	}
	v, err := strconv.ParseFloat(inner, 32)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%q is not one finite number", text)
	}
	return float32(v), nil
}

// treesToKeep is the number of trees up to the best round.
func (l *xgbLearner) treesToKeep() (int, error) {
	all := len(l.GradientBooster.Model.Trees)
	text, found := l.Attributes["best_iteration"]
	if !found {
		return all, nil
	}
	best, err := strconv.Atoi(text)
	if err != nil || best < 0 {
		return 0, fmt.Errorf("best_iteration is %q, must be the number of a round", text)
	}
	ends := l.GradientBooster.Model.IterationIndptr
	if best+1 >= len(ends) || ends[best+1] < 0 || ends[best+1] > all {
		return 0, fmt.Errorf("best_iteration is %d, which iteration_indptr of %d rounds and %d trees does not have", best, len(ends)-1, all)
	}
	return ends[best+1], nil
}

func decodeTree(text []byte, features int) (tree, error) {
	var x xgbTree
	if err := json.Unmarshal(text, &x); err != nil {
		return tree{}, err
	}
	if err := x.check(); err != nil {
		return tree{}, err
	}
	categories, err := x.categories()
	if err != nil {
		return tree{}, err
	}
	// Nodes are numbered anew from the root: a pruned tree has others.
	number := make([]int32, len(x.LeftChildren)) // new number + 1, 0: not met
	depth := make([]int32, 1, len(x.LeftChildren))
	order := make([]int32, 1, len(x.LeftChildren)) // old numbers
	number[0] = 1
	nodes := make([]node, 0, len(x.LeftChildren))
	for at := 0; at < len(order); at++ {
		old := order[at]
		n, err := x.node(old, features, categories)
		if err != nil {
			return tree{}, fmt.Errorf("node %d: %w", old, err)
		}
		if left, right := x.LeftChildren[old], x.RightChildren[old]; left != xgbNone {
			for _, child := range [2]int32{left, right} {
				if number[child] != 0 {
					return tree{}, fmt.Errorf("node %d: child %d has two parents or is in a cycle", old, child)
				}
				if x.Parents[child] != old {
					return tree{}, fmt.Errorf("node %d: child %d names %d as its parent", old, child, x.Parents[child])
				}
				order = append(order, child)
				depth = append(depth, depth[at]+1)
				number[child] = int32(len(order))
			}
			if depth[at] >= maxDepth {
				return tree{}, fmt.Errorf("the tree is deeper than %d", maxDepth)
			}
			n.left, n.right = number[left]-1, number[right]-1
		}
		nodes = append(nodes, n)
	}
	return tree{nodes: nodes}, nil
}

// check compares the lengths with each other and with the counts.
func (x *xgbTree) check() error {
	n := len(x.LeftChildren)
	if n == 0 {
		return errors.New("it has no nodes")
	}
	if count, err := strconv.Atoi(x.Param.NumNodes); err != nil || count != n {
		return fmt.Errorf("num_nodes is %q but left_children has %d entries", x.Param.NumNodes, n)
	}
	if v := x.Param.SizeLeafVector; v != "0" && v != "1" && v != "" {
		return fmt.Errorf("size_leaf_vector is %q, only leaves of one value can be read", v)
	}
	for _, array := range []struct {
		name string
		n    int
	}{
		{"base_weights", len(x.BaseWeights)},
		{"default_left", len(x.DefaultLeft)},
		{"loss_changes", len(x.LossChanges)},
		{"parents", len(x.Parents)},
		{"right_children", len(x.RightChildren)},
		{"split_conditions", len(x.SplitConditions)},
		{"split_indices", len(x.SplitIndices)},
		{"split_type", len(x.SplitType)},
		{"sum_hessian", len(x.SumHessian)},
	} {
		if array.n != n {
			return fmt.Errorf("%s has %d entries for %d nodes", array.name, array.n, n)
		}
	}
	if a, b, c := len(x.CategoriesNodes), len(x.CategoriesSegments), len(x.CategoriesSizes); a != b || a != c {
		return fmt.Errorf("categories_nodes, categories_segments and categories_sizes have %d, %d and %d entries", a, b, c)
	}
	return nil
}

// categories finds the codes of each categorical node. They share the memory
// of the file's list.
func (x *xgbTree) categories() (map[int32][]int32, error) {
	sets := make(map[int32][]int32, len(x.CategoriesNodes))
	for _, code := range x.Categories {
		if code < 0 || code >= maxCategory {
			return nil, fmt.Errorf("category %d is not from 0 to %d", code, maxCategory-1)
		}
	}
	for i, n := range x.CategoriesNodes {
		from, size := int(x.CategoriesSegments[i]), int(x.CategoriesSizes[i])
		if from < 0 || size < 1 || from > len(x.Categories) || size > len(x.Categories)-from {
			return nil, fmt.Errorf("node %d: categories %d to %d are outside the list of %d", n, from, from+size, len(x.Categories))
		}
		set := x.Categories[from : from+size : from+size]
		if !slices.IsSorted(set) {
			return nil, fmt.Errorf("node %d: its categories are not in ascending order", n)
		}
		if _, twice := sets[n]; twice {
			return nil, fmt.Errorf("node %d: it has two sets of categories", n)
		}
		sets[n] = set
	}
	return sets, nil
}

// node reads a node but for its children's new numbers.
func (x *xgbTree) node(i int32, features int, categories map[int32][]int32) (node, error) {
	left, right := x.LeftChildren[i], x.RightChildren[i]
	n := node{value: x.BaseWeights[i], gain: x.LossChanges[i], cover: x.SumHessian[i]}
	if left == xgbNone && right == xgbNone {
		n.value = x.SplitConditions[i]
		return n, nil
	}
	for _, child := range [2]int32{left, right} {
		if child < 1 || int(child) >= len(x.LeftChildren) {
			return n, fmt.Errorf("child %d is not from 1 to %d", child, len(x.LeftChildren)-1)
		}
	}
	n.feature = x.SplitIndices[i]
	if n.feature < 0 || int(n.feature) >= features {
		return n, fmt.Errorf("feature %d is not from 0 to %d", n.feature, features-1)
	}
	n.missingLeft = x.DefaultLeft[i] != 0
	switch x.SplitType[i] {
	case 0:
		n.threshold = x.SplitConditions[i]
	case 1:
		n.categorical = true
		if n.categories = categories[i]; n.categories == nil {
			return n, errors.New("a categorical split has no categories")
		}
	default:
		return n, fmt.Errorf("split type %d is neither numeric (0) nor categorical (1)", x.SplitType[i])
	}
	return n, nil
}

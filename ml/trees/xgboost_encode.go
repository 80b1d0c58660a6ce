package trees

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// The structs below mirror XGBoost's model schema
// (https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html).
// Parameters are texts there, also numbers.

type xgbFile struct {
	Learner xgbLearner `json:"learner"`
	Version []int      `json:"version"`
}

type xgbLearner struct {
	Attributes      map[string]string `json:"attributes"`
	FeatureNames    []string          `json:"feature_names"`
	FeatureTypes    []string          `json:"feature_types"`
	GradientBooster xgbBooster        `json:"gradient_booster"`
	Param           xgbLearnerParam   `json:"learner_model_param"`
	Objective       xgbObjective      `json:"objective"`
}

type xgbBooster struct {
	Model xgbModel `json:"model"`
	Name  string   `json:"name"`
}

type xgbModel struct {
	Param           xgbModelParam     `json:"gbtree_model_param"`
	IterationIndptr []int             `json:"iteration_indptr"`
	TreeInfo        []int             `json:"tree_info"`
	Trees           []json.RawMessage `json:"trees"`
}

type xgbModelParam struct {
	NumParallelTree string `json:"num_parallel_tree"`
	NumTrees        string `json:"num_trees"`
}

type xgbLearnerParam struct {
	BaseScore        string `json:"base_score"`
	BoostFromAverage string `json:"boost_from_average"`
	NumClass         string `json:"num_class"`
	NumFeature       string `json:"num_feature"`
	NumTarget        string `json:"num_target"`
}

type xgbObjective struct {
	Name     string           `json:"name"`
	Poisson  *xgbPoissonParam `json:"poisson_regression_param,omitempty"`
	Tweedie  *xgbTweedieParam `json:"tweedie_regression_param,omitempty"`
	Quantile *xgbAlphaParam   `json:"quantile_loss_param,omitempty"`
	Reg      *xgbRegParam     `json:"reg_loss_param,omitempty"`
}

type xgbPoissonParam struct {
	MaxDeltaStep string `json:"max_delta_step"`
}

type xgbTweedieParam struct {
	VariancePower string `json:"tweedie_variance_power"`
}

type xgbAlphaParam struct {
	Alpha string `json:"quantile_alpha"`
}

type xgbRegParam struct {
	ScalePosWeight string `json:"scale_pos_weight"`
}

type xgbTree struct {
	BaseWeights        xgbFloats    `json:"base_weights"`
	Categories         []int32      `json:"categories"`
	CategoriesNodes    []int32      `json:"categories_nodes"`
	CategoriesSegments []int32      `json:"categories_segments"`
	CategoriesSizes    []int32      `json:"categories_sizes"`
	DefaultLeft        []int8       `json:"default_left"`
	ID                 int          `json:"id"`
	LeftChildren       []int32      `json:"left_children"`
	LossChanges        xgbFloats    `json:"loss_changes"`
	Parents            []int32      `json:"parents"`
	RightChildren      []int32      `json:"right_children"`
	SplitConditions    xgbFloats    `json:"split_conditions"`
	SplitIndices       []int32      `json:"split_indices"`
	SplitType          []int8       `json:"split_type"`
	SumHessian         xgbFloats    `json:"sum_hessian"`
	Param              xgbTreeParam `json:"tree_param"`
}

type xgbTreeParam struct {
	NumDeleted     string `json:"num_deleted"`
	NumFeature     string `json:"num_feature"`
	NumNodes       string `json:"num_nodes"`
	SizeLeafVector string `json:"size_leaf_vector"`
}

// xgbFloats are written with an exponent, always: XGBoost reads a number
// without point or exponent as an integer, and refuses it.
type xgbFloats []float32

// MarshalJSON is for encoding/json.
func (f xgbFloats) MarshalJSON() ([]byte, error) {
	text := make([]byte, 0, 12*len(f)+2)
	text = append(text, '[')
	for i, v := range f {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendFloat(text, float64(v), 'E', -1, 32)
	}
	return append(text, ']'), nil
}

const (
	xgbRoot         = math.MaxInt32 // parent of a root
	xgbNone         = -1            // child of a leaf
	xgbNoMultiClass = "0"
)

// Encode writes the model as XGBoost JSON, which Python's xgboost 3 loads with
// Booster.load_model from a file whose name ends in .json. The text depends on
// the model only.
func (m *Model) Encode() ([]byte, error) {
	if m == nil {
		return nil, errNoModel
	}
	objective := xgbObjective{Name: m.objective.String()}
	switch m.objective {
	case Poisson:
		objective.Poisson = &xgbPoissonParam{formatFloat(m.maxDelta)}
	case Tweedie:
		objective.Tweedie = &xgbTweedieParam{formatFloat(m.power)}
	case Quantile:
		objective.Quantile = &xgbAlphaParam{"[" + formatFloat(m.alpha) + "]"}
	case AbsoluteError:
	default:
		objective.Reg = &xgbRegParam{"1"}
	}
	features := strconv.Itoa(m.features)
	out := xgbModel{
		Param:           xgbModelParam{NumParallelTree: "1", NumTrees: strconv.Itoa(len(m.trees))},
		IterationIndptr: make([]int, len(m.trees)+1),
		TreeInfo:        make([]int, len(m.trees)),
		Trees:           make([]json.RawMessage, len(m.trees)),
	}
	for i := range m.trees {
		out.IterationIndptr[i+1] = i + 1
		text, err := json.Marshal(encodeTree(&m.trees[i], i, features))
		if err != nil {
			return nil, fmt.Errorf("trees: encode tree %d: %w", i, err)
		}
		out.Trees[i] = text
	}
	text, err := json.Marshal(xgbFile{
		Version: []int{3, 0, 0},
		Learner: xgbLearner{
			Attributes:      map[string]string{},
			FeatureNames:    append([]string{}, m.names...),
			FeatureTypes:    m.featureTypes(),
			GradientBooster: xgbBooster{Model: out, Name: "gbtree"},
			Param: xgbLearnerParam{
				BaseScore:        formatFloat(float64(m.start)),
				BoostFromAverage: "0",
				NumClass:         xgbNoMultiClass,
				NumFeature:       features,
				NumTarget:        "1",
			},
			Objective: objective,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("trees: encode the model: %w", err)
	}
	return text, nil
}

// featureTypes are needed only for categories.
func (m *Model) featureTypes() []string {
	types := []string{}
	for _, categorical := range m.categorical {
		if categorical {
			types = append(types, "c")
		} else {
			types = append(types, "float")
		}
	}
	return types
}

func formatFloat(v float64) string {
	return strconv.FormatFloat(v, 'E', -1, 32)
}

func encodeTree(t *tree, id int, features string) *xgbTree {
	n := len(t.nodes)
	out := &xgbTree{
		BaseWeights: make([]float32, n), DefaultLeft: make([]int8, n), ID: id,
		LeftChildren: make([]int32, n), LossChanges: make([]float32, n), Parents: make([]int32, n),
		RightChildren: make([]int32, n), SplitConditions: make([]float32, n), SplitIndices: make([]int32, n),
		SplitType: make([]int8, n), SumHessian: make([]float32, n),
		Categories: []int32{}, CategoriesNodes: []int32{}, CategoriesSegments: []int32{}, CategoriesSizes: []int32{},
		Param: xgbTreeParam{NumDeleted: "0", NumFeature: features, NumNodes: strconv.Itoa(n), SizeLeafVector: "1"},
	}
	out.Parents[0] = xgbRoot
	for i := range t.nodes {
		node := &t.nodes[i]
		out.BaseWeights[i], out.SumHessian[i] = node.value, node.cover
		if node.leaf() {
			out.LeftChildren[i], out.RightChildren[i] = xgbNone, xgbNone
			out.SplitConditions[i] = node.value
			continue
		}
		out.LeftChildren[i], out.RightChildren[i] = node.left, node.right
		out.Parents[node.left], out.Parents[node.right] = int32(i), int32(i)
		out.LossChanges[i], out.SplitIndices[i] = node.gain, node.feature
		if node.missingLeft {
			out.DefaultLeft[i] = 1
		}
		if !node.categorical {
			out.SplitConditions[i] = node.threshold
			continue
		}
		out.SplitType[i] = 1
		out.CategoriesNodes = append(out.CategoriesNodes, int32(i))
		out.CategoriesSegments = append(out.CategoriesSegments, int32(len(out.Categories)))
		out.CategoriesSizes = append(out.CategoriesSizes, int32(len(node.categories)))
		out.Categories = append(out.Categories, node.categories...)
	}
	return out
}

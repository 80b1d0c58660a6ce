package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// field is one key of the configuration, as the tags of Config declare it.
type field struct {
	section, name string // "kafka", "brokers"
	sectionHelp   string
	index         []int // of the field in Config
	typ           reflect.Type

	def, help, flag string
	min, max        string // inclusive; "" for none
	oneOf           []string
	check           string // key of checks
}

// key is how the field is called in messages: "kafka.brokers".
func (f field) key() string { return f.section + "." + f.name }

// env is the field's environment variable.
func (f field) env() string {
	return envPrefix + strings.ToUpper(f.section+"_"+f.name)
}

const envPrefix = "SHOPSTREAM_"

// fields lists every key in the order of Config.
var fields = readFields()

func readFields() []field {
	var all []field
	root := reflect.TypeFor[Config]()
	for i := range root.NumField() {
		section := root.Field(i)
		for j := range section.Type.NumField() {
			t := section.Type.Field(j)
			f := field{
				section:     section.Tag.Get("yaml"),
				sectionHelp: section.Tag.Get("help"),
				name:        t.Tag.Get("yaml"),
				index:       []int{i, j},
				typ:         t.Type,
				def:         t.Tag.Get("default"),
				help:        t.Tag.Get("help"),
				flag:        t.Tag.Get("flag"),
				min:         t.Tag.Get("min"),
				max:         t.Tag.Get("max"),
				check:       t.Tag.Get("check"),
			}
			if list, ok := t.Tag.Lookup("oneof"); ok {
				f.oneOf = strings.Split(list, "|")
			}
			all = append(all, f)
		}
	}
	return all
}

func fieldByKey(key string) (field, bool) {
	return findField(func(f field) bool { return f.key() == key })
}

// fieldByName finds a key that stands in another section than the reader knew.
func fieldByName(name string) (field, bool) {
	return findField(func(f field) bool { return f.name == name })
}

func findField(is func(field) bool) (field, bool) {
	i := slices.IndexFunc(fields, is)
	if i < 0 {
		return field{}, false
	}
	return fields[i], true
}

// of returns the field's value in cfg.
func (f field) of(cfg *Config) reflect.Value {
	return reflect.ValueOf(cfg).Elem().FieldByIndex(f.index)
}

// parse reads and checks one value; false means that f.allowed tells what it
// should have been.
func (f field) parse(text string) (reflect.Value, bool) {
	v, ok := parseValue(f.typ, text)
	if !ok {
		return v, false
	}
	return v, f.valid(v)
}

func (f field) valid(v reflect.Value) bool {
	if f.min != "" && compareValues(v, mustParse(f.typ, f.min)) < 0 {
		return false
	}
	if f.max != "" && compareValues(v, mustParse(f.typ, f.max)) > 0 {
		return false
	}
	if f.oneOf != nil && !slices.Contains(f.oneOf, v.String()) {
		return false
	}
	return f.check == "" || checks[f.check].ok(v)
}

// allowed says in words which values parse accepts.
func (f field) allowed() string {
	if f.check != "" {
		return checks[f.check].allowed
	}
	if f.oneOf != nil {
		quoted := make([]string, len(f.oneOf))
		for i, word := range f.oneOf {
			quoted[i] = fmt.Sprintf("%q", word)
		}
		return "one of " + strings.Join(quoted, ", ")
	}
	between := ""
	if f.min != "" && f.max != "" {
		between = " from " + f.min + " to " + f.max
	}
	switch reflect.Zero(f.typ).Interface().(type) {
	case time.Duration:
		return "a duration with its unit" + between + ", such as " + f.def
	case Size:
		return "a size with its unit" + between + ", such as " + f.def
	case bool:
		return "true or false"
	case int, int64:
		return "a whole number in decimal digits" + between
	case float64:
		return "a number" + between
	default:
		return "a text"
	}
}

// mustParse and mustSet read the texts of tags, which the tests cover: a bad one
// is a mistake in the program, found at its start.
func mustParse(t reflect.Type, text string) reflect.Value {
	v, ok := parseValue(t, text)
	if !ok {
		panic(fmt.Sprintf("config: %q in a struct tag is not a %s", text, t))
	}
	return v
}

func mustSet(f field, cfg *Config, text string) {
	f.of(cfg).Set(mustParse(f.typ, text))
}

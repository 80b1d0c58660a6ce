package lake

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Lane is where a record goes: the first part of its file's name.
type Lane string

// The lanes. Bronze, Late and Dead are filed by partition and arrival window,
// Silver by category and the event's own window.
const (
	Bronze Lane = "bronze"       // every record as it was received
	Silver Lane = "silver"       // valid events on time, once each
	Late   Lane = "late"         // valid events that came after their window was final
	Dead   Lane = "dead_letters" // records that are no valid event, with the reason
)

// metricsDir holds the metrics' files.
const metricsDir = "metrics"

// Names of files follow from what is in them, so that writing a file again
// replaces it:
//
//	bronze/date=2026-03-01/hour=10/3-20260301T101500Z.parquet           also late, dead_letters
//	silver/date=2026-03-01/category-home%20%26%20garden/20260301T101500Z-0.parquet
//	metrics/window=5m/date=2026-03-01/20260301T101500Z.parquet
//
// date and hour are of the window's start in UTC. Times are milliseconds since
// the epoch, between the years 0 and 9999.
//
// Silver's category is a column. Until format 3 it stood in the path alone, as
// category=…, which readers take for a column of a type that they guess: 007 and 7
// were one. Such files are read as they were.

const (
	extension = ".parquet"

	dateFormat = "2006-01-02"
	// A window's time has milliseconds only where they are not zero.
	windowFormat       = "20060102T150405Z"
	windowFormatMillis = "20060102T150405.000Z"
)

func appendWindow(b []byte, t time.Time) []byte {
	if t.Nanosecond() != 0 {
		return t.AppendFormat(b, windowFormatMillis)
	}
	return t.AppendFormat(b, windowFormat)
}

// What a silver file's folder begins with, before the category.
const (
	categoryFolder    = "category-"
	oldCategoryFolder = "category="
)

// SilverName is the name of the file with one shard of a category's events in
// one base window.
func SilverName(windowStart int64, category string, shard int) string {
	return silverName(windowStart, categoryFolder, category, shard)
}

func silverName(windowStart int64, folder, category string, shard int) string {
	t := time.UnixMilli(windowStart).UTC()
	b := append(make([]byte, 0, 96), Silver...)
	b = append(b, "/date="...)
	b = t.AppendFormat(b, dateFormat)
	b = append(append(b, '/'), folder...)
	b = appendHive(b, category)
	b = appendWindow(append(b, '/'), t)
	b = append(b, '-')
	b = strconv.AppendInt(b, int64(shard), 10)
	return string(append(b, extension...))
}

// LaneName is the name of the file of Bronze, Late or Dead with the records of
// one partition that arrived in one base window.
func LaneName(lane Lane, windowStart int64, partition int32) string {
	t := time.UnixMilli(windowStart).UTC()
	b := append(make([]byte, 0, 96), lane...)
	b = append(b, "/date="...)
	b = t.AppendFormat(b, dateFormat+"/hour=15/")
	b = strconv.AppendInt(b, int64(partition), 10)
	b = appendWindow(append(b, '-'), t)
	return string(append(b, extension...))
}

// MetricsName is the name of the file with the metrics windows of a kind ("5m",
// "1h", "sliding-1h") that end in the period that starts at period.
func MetricsName(kind string, period int64) string {
	return windowName(metricsDir+"/window="+kind, period, extension)
}

// windowName names a file of one window by its start: dir/date=…/<window>ext.
func windowName(dir string, window int64, ext string) string {
	t := time.UnixMilli(window).UTC()
	b := append(make([]byte, 0, 96), dir...)
	b = append(b, "/date="...)
	b = appendWindow(t.AppendFormat(b, dateFormat+"/"), t)
	return string(append(b, ext...))
}

// Key is what a data file's name says.
type Key struct {
	Lane        Lane   // "" for metrics
	Kind        string // of metrics
	WindowStart int64  // ms since the epoch; of metrics the period
	Partition   int32  // of Bronze, Late, Dead
	Category    string // of Silver
	Old         bool   // Silver of format 3 or before: without a column category
	Shard       int    // of Silver
}

// Name is the name that a key stands for.
func (k Key) Name() string {
	switch k.Lane {
	case "":
		return MetricsName(k.Kind, k.WindowStart)
	case Silver:
		if k.Old {
			return silverName(k.WindowStart, oldCategoryFolder, k.Category, k.Shard)
		}
		return SilverName(k.WindowStart, k.Category, k.Shard)
	default:
		return LaneName(k.Lane, k.WindowStart, k.Partition)
	}
}

// ParseName is the inverse of Key.Name. It accepts exactly the names that Name
// makes.
func ParseName(name string) (Key, error) {
	k, ok := parseName(name)
	// One key, one name: another spelling would be a second file of the same rows.
	if !ok || k.Name() != name {
		return Key{}, fmt.Errorf("%q is not the name of a data file of the lake: expected one such as %q, %q or %q",
			name, LaneName(Bronze, 0, 3), SilverName(0, "toys", 0), MetricsName("5m", 0))
	}
	return k, nil
}

func parseName(name string) (k Key, ok bool) {
	parts := strings.Split(name, "/")
	if len(parts) != 4 {
		return k, false
	}
	k.WindowStart, ok = parseWindow(name)
	if !ok {
		return k, false
	}
	file := strings.TrimSuffix(parts[3], extension)
	switch lane := Lane(parts[0]); lane {
	case metricsDir:
		k.Kind, ok = strings.CutPrefix(parts[1], "window=")
		return k, ok && k.Kind != ""
	case Silver:
		k.Lane = lane
		_, shard, _ := strings.Cut(file, "-")
		n, err := strconv.Atoi(shard)
		k.Category, ok = parseCategory(parts[2])
		k.Shard, k.Old = n, strings.HasPrefix(parts[2], oldCategoryFolder)
		return k, ok && err == nil && n >= 0
	case Bronze, Late, Dead:
		k.Lane = lane
		partition, _, _ := strings.Cut(file, "-")
		n, err := strconv.ParseInt(partition, 10, 32)
		k.Partition = int32(n)
		return k, err == nil && n >= 0
	default:
		return k, false
	}
}

// parseCategory returns the category of a silver file's folder.
func parseCategory(folder string) (category string, ok bool) {
	encoded, ok := strings.CutPrefix(folder, categoryFolder)
	if !ok {
		encoded, ok = strings.CutPrefix(folder, oldCategoryFolder)
	}
	if !ok {
		return "", false
	}
	return decodeHive(encoded)
}

// windowOf returns the window's start, ms, from the name of any file that is
// filed by one, also the ledger's.
func windowOf(name string) (int64, error) {
	if ms, ok := parseWindow(name); ok {
		return ms, nil
	}
	return 0, fmt.Errorf("%q does not name a window: expected a file name with a time such as %s", name, time.Unix(0, 0).UTC().Format(windowFormat))
}

func parseWindow(name string) (int64, bool) {
	file := name[strings.LastIndexByte(name, '/')+1:]
	// The time stands alone, after a partition or before a shard.
	for part := range strings.SplitSeq(file, "-") {
		end := strings.IndexByte(part, 'Z') + 1
		// The layout accepts a fraction of a second, too.
		if t, err := time.Parse(windowFormat, part[:end]); err == nil && t.Nanosecond()%int(time.Millisecond) == 0 {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}

// MaxCategory is the longest category, in bytes, whose folder every common
// disk can name whatever its characters are.
const MaxCategory = (math.MaxUint8 - len(categoryFolder)) / 3

const hexDigits = "0123456789ABCDEF"

// appendHive appends a partition's value as DuckDB and Hive write it in a path:
// letters, digits and _ - ~ . stay, every other byte is %XX. Values that
// readers take for NULL get their first letter escaped.
func appendHive(b []byte, value string) []byte {
	null := hiveNull(value)
	for i := range len(value) {
		if c := value[i]; hivePlain(c) && !(null && i == 0) {
			b = append(b, c)
		} else {
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return b
}

func hivePlain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '_' || c == '-' || c == '~' || c == '.'
}

// hiveNull reports whether readers take a path's value for NULL.
func hiveNull(value string) bool {
	return strings.EqualFold(value, "NULL") || value == "__HIVE_DEFAULT_PARTITION__"
}

func decodeHive(s string) (string, bool) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b = append(b, byte(n))
		i += 2
	}
	return string(b), true
}

package producer

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"example.com/shopstream/internal/lake"
)

// WriteHistoryFile writes daily sales for gold to import: Parquet or CSV by
// the name's ending, .parquet or .csv. The file appears whole or not at all; one
// that is there already is an error that is fs.ErrExist, unless replace.
func WriteHistoryFile(path string, rows []lake.DailySalesRow, replace bool) error {
	if err := CheckHistoryFile(path, replace); err != nil {
		return err
	}
	var data []byte
	var err error
	if strings.HasSuffix(path, ".csv") {
		data, err = historyCSV(rows)
	} else {
		data, err = lake.EncodeGold(nil, rows)
	}
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if err := writeWhole(path, data); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}

// CheckHistoryFile finds what WriteHistoryFile would refuse, before there are rows.
func CheckHistoryFile(path string, replace bool) error {
	if ext := filepath.Ext(path); ext != ".csv" && ext != ".parquet" {
		return fmt.Errorf("history: file %q: expected a name that ends in .parquet or .csv", path)
	}
	switch info, err := os.Stat(path); {
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("history: %s: expected a file or nothing, found %s", path, info.Mode().Type())
	case err == nil && !replace:
		return fmt.Errorf("history: %s: %w: choose another name, or ask to replace it", path, fs.ErrExist)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("history: %w", err)
	}
	return nil
}

func writeWhole(path string, data []byte) (err error) {
	part, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.part")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part.Name()))
		}
	}()
	_, err = part.Write(data)
	if err == nil {
		err = part.Chmod(0o640)
	}
	if err == nil {
		err = part.Sync()
	}
	if err = errors.Join(err, part.Close()); err != nil {
		return err
	}
	return os.Rename(part.Name(), path)
}

func historyCSV(rows []lake.DailySalesRow) ([]byte, error) {
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	fields := []string{"date", "product_id", "category", "currency", "order_lines", "orders", "units", "revenue", "cancelled_lines", "cancelled_units", "cancelled_revenue"}
	// Errors stick until Flush.
	_ = out.Write(fields)
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	date, text := int32(0), ""
	for i := range rows {
		r := &rows[i]
		if r.Date != date || text == "" {
			date, text = r.Date, epoch.AddDays(int(r.Date)).String()
		}
		orders := ""
		if r.Orders != nil {
			orders = number(*r.Orders)
		}
		_ = out.Write(append(fields[:0], text, r.ProductID, r.Category, r.Currency, number(r.OrderLines), orders, number(r.Units), r.Revenue.String(),
			number(r.CancelledLines), number(r.CancelledUnits), r.CancelledRevenue.String()))
	}
	out.Flush()
	return b.Bytes(), out.Error()
}

package tables

import (
	"testing"
)

func TestAll(t *testing.T) {
	seen := map[string]bool{}
	for _, table := range All() {
		if seen[table.Name] {
			t.Errorf("table %s is there twice", table.Name)
		}
		seen[table.Name] = true
		if _, err := Files.ReadFile(table.Name + "/schema.yaml"); err != nil {
			t.Errorf("the folder of table %s has another name: %v", table.Name, err)
		}
	}
	if len(seen) < 8 {
		t.Errorf("%d tables, expected 8 or more", len(seen))
	}
}

//go:build !linux

package lake

func newSyncer(root string) *syncer { return &syncer{root: root} }

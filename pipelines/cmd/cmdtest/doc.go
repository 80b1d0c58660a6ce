// Package cmdtest tests the programs as a user meets them: built binaries,
// their output, exit codes and signals.
package cmdtest

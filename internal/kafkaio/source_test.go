package kafkaio

import "testing"

// TestFinishBetweenJobs: a source is asked to end while its job is being
// started again. The next one has to know; the call before the last job ended
// was that job's.
func TestFinishBetweenJobs(t *testing.T) {
	const id = "finish between jobs"
	s := sourceOf(id)
	s.open()
	Finish(id)
	if err := Close(id); err != nil {
		t.Fatal(err)
	}
	if s.finish.Load() {
		t.Error("a call of Finish outlives the job it was for")
	}
	Finish(id)
	s.open()
	if !s.finish.Load() {
		t.Error("a call of Finish between two jobs is lost")
	}
	if err := Close(id); err != nil {
		t.Fatal(err)
	}
}

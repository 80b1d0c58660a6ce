package forecast

import "fmt"

// TooLittle is the error of work that needs more history than there is.
type TooLittle struct{ text string }

func (e *TooLittle) Error() string { return e.text }

func tooLittle(format string, args ...any) error { return &TooLittle{fmt.Sprintf(format, args...)} }

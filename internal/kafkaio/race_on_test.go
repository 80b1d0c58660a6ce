//go:build race

package kafkaio

// raceDetector is true under the race detector.
const raceDetector = true

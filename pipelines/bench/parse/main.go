// Parse is the calibrator of the benchmark: one thread that reads a topic and
// parses each record, and does nothing with it.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"

	"example.com/shopstream/internal/shop"
	"example.com/shopstream/pipelines/bench/fetch"
)

func main() {
	brokers := flag.String("brokers", "", "")
	topic := flag.String("topic", "ecommerce_events", "")
	flag.Parse()
	if err := run(strings.Split(*brokers, ","), *topic); err != nil {
		fmt.Fprintln(os.Stderr, "parse:", err)
		os.Exit(1)
	}
}

func run(brokers []string, topic string) error {
	runtime.GOMAXPROCS(1)
	ends, err := fetch.Ends(brokers, topic)
	if err != nil {
		return err
	}
	parser := shop.NewParser(shop.DefaultLimits)
	valid, dead := 0, 0
	for p, end := range ends {
		err := fetch.Partition(brokers, topic, p, end, func(_, timestamp int64, _, value []byte) error {
			if _, invalid := parser.Parse(value, timestamp); invalid != nil {
				dead++
			} else {
				valid++
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	fmt.Printf("%d valid, %d dead\n", valid, dead)
	return nil
}

// Package prism runs Prism, Beam's local runner, in this process, behind a unix
// socket that only this user can open.
//
// Prism as the SDK starts it listens on a TCP port of every interface, without
// authentication, and the worker that goes with it on one of the loopback
// interface: whoever reaches the first can cancel the job, read what it
// processes, or run a program as its user. No option of the SDK changes that:
// the address is written out in jobservices.NewServer. So this package sets up
// Prism's server itself (server.go), with the SDK's code for everything but the
// listener, and a worker pool on the same socket (pool.go).
//
// Every program and every test that runs a pipeline on Prism calls [Start]
// first; the linter refuses other imports of the runner.
package prism

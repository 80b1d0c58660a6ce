// Package serve answers questions about next week's demand over HTTP: forecasts
// of products, categories and the shop, what another price would do, which
// models answer, and how well each did.
//
// A snapshot holds all answers. It is made from a lake: gold's daily sales, the
// champion of the registry, and its challenger. Forecasts are encoded once, when
// a snapshot is made, so that a request is a look-up and a copy. The lake is
// looked at again now and then; where something changed, the next snapshot
// replaces the one before at once, and requests that began keep theirs. Where
// that fails the old one stays, and /readyz, the log and the metrics say so.
//
// Two models may share the requests. A unit (a customer, a store, whatever the
// caller names; else the series) always gets the same of both: the hash of its
// name decides, with the challenger's version, so that each experiment draws
// anew, and a larger share only adds units.
//
// The interface is described by openapi.yaml, which is served too.
package serve

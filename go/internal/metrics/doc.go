// Package metrics keeps counters and gives them in Prometheus' text format, version
// 0.0.4.
//
// A Set holds families; each is registered once, when the program starts, and
// updated without locks. The number of label values of a family is bounded: what
// comes beyond counts under "other". It is the small part of what Prometheus' own
// library does that a node needs, at a hundredth of the weight.
package metrics

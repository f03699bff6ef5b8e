// Package config is the configuration of a node: one structure, whether it comes
// from a TOML file, the environment, flags or a program.
//
// Load puts the sources together, the weaker first: the defaults, the file,
// variables ALKNET_<SECTION>_<KEY>, and flags. Everything that is wrong comes back
// as Errors, each with its file, line, column and key; unknown keys are errors.
// What was loaded remembers where each value came from, so that whoever finds out
// later that a value cannot be used can say so just as exactly (Config.Errorf).
//
// Keys marked `restart` are read when the node starts. All others can be replaced
// while it runs; Changes tells them apart. Dump gives the effective configuration
// without its secrets. docs/config.schema.json and docs/config.md are made from this
// package's structure and comments by its tests (`go test ./go/config -update`).
package config

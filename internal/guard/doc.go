// Package guard is what programs that listen have in common: which addresses need
// a token, which tokens are valid, which names a client may call the server by,
// how many connections it bears; and reading files that hold a secret.
package guard

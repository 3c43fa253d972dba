package secret

import (
	_ "embed"
	"slices"
	"strings"
	"sync"

	"ssltape/record/secret/char"
)

// bip39 are the words that keys of wallets are written with (BIP 39, the English list).
//
//go:embed bip39.txt
var bip39 string

// phraseWords are these, in order.
var phraseWords = sync.OnceValue(func() []string { return strings.Fields(bip39) })

// MinPhrase is how many words such a phrase has at least. The longest have 24.
const MinPhrase = 12

// IsPhraseWord reports whether p is a word of such phrases.
func IsPhraseWord(p []byte) bool {
	if len(p) < 3 || len(p) > 8 || char.Run(p, char.IsLower) < len(p) {
		return false
	}
	_, found := slices.BinarySearchFunc(phraseWords(), p, func(word string, p []byte) int { return strings.Compare(word, string(p)) })
	return found
}

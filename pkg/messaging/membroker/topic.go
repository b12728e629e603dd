package membroker

import "strings"

// topicMatches reports whether the routing key matches the pattern as AMQP's topic exchanges do: words are
// divided by dots, * stands for one word and # for any number of words.
func topicMatches(pattern, key string) bool {
	return wordsMatch(strings.Split(pattern, "."), strings.Split(key, "."))
}

func wordsMatch(pattern, key []string) bool {
	if len(pattern) == 0 {
		return len(key) == 0
	}
	switch pattern[0] {
	case "#":
		for skipped := range len(key) + 1 {
			if wordsMatch(pattern[1:], key[skipped:]) {
				return true
			}
		}
		return false
	case "*":
		return len(key) > 0 && wordsMatch(pattern[1:], key[1:])
	default:
		return len(key) > 0 && pattern[0] == key[0] && wordsMatch(pattern[1:], key[1:])
	}
}

package main

import (
	"fmt"
	"sort"
	"sync"
	"time"
)

// An ending is what became of one request.
type ending struct {
	revision, kind string
	// In a word: answered, left, refused with a reason, cut.
	word string
	// Why, where that is not plain.
	detail string
	from   time.Time
}

// A tally of all endings, and of what was done meanwhile that explains some of them.
type tally struct {
	sync.Mutex
	count       map[string]int
	unexplained []string
	kills       map[string][]time.Time
	pending     []ending
}

func newTally() *tally {
	return &tally{count: map[string]int{}, kills: map[string][]time.Time{}}
}

func (t *tally) killed(revision string) {
	t.Lock()
	defer t.Unlock()
	t.kills[revision] = append(t.kills[revision], time.Now())
}

// These need no further explanation: the client went, or the gate is as full as its settings let it be.
var plain = map[string]bool{"answered": true, "left": true, "queue_full": true, "queue_timeout": true, "cold_start_timeout": true}

// These are the end of a request that was inside a model server when that was killed.
var byKill = map[string]bool{"upstream_reset": true, "cut": true}

func (t *tally) ended(e ending) {
	t.Lock()
	defer t.Unlock()
	t.count[fmt.Sprintf("%-6s %-9s %s", e.revision, e.kind, e.word)]++
	switch {
	case plain[e.word]:
	case byKill[e.word] && t.wasKilled(e):
	case e.revision == "guest" && (e.word == "no_route" || e.word == "stopped"):
		// It comes and goes.
	default:
		t.unexplained = append(t.unexplained, fmt.Sprintf("%s %s %s %s: %s",
			time.Now().Format("15:04:05.000"), e.revision, e.kind, e.word, e.detail))
	}
}

func (t *tally) wasKilled(e ending) bool {
	for _, kill := range t.kills[e.revision] {
		if e.from.Before(kill.Add(200*time.Millisecond)) && time.Now().After(kill) {
			return true
		}
	}
	return false
}

func (t *tally) print() {
	t.Lock()
	defer t.Unlock()
	var lines []string
	for what, n := range t.count {
		lines = append(lines, fmt.Sprintf("    %s %d", what, n))
	}
	sort.Strings(lines)
	for _, line := range lines {
		fmt.Println(line)
	}
	for n, what := range t.unexplained {
		if n == 20 {
			fmt.Printf("    … and %d more\n", len(t.unexplained)-n)
			break
		}
		fmt.Println("    unexplained:", what)
	}
}

// A while of everything at once: clients of every kind, some of whom leave; model servers that are killed;
// settings that change. At the end every request has an end that can be told, and the gate holds nothing.
//
//	soak run HOLDGATE SECONDS [SEED]
//	soak model PORT NAME KIND LIMIT COMPLAINTS
package main

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

const (
	clients = 24
	// What the gate's files, and its memory, may have grown by at the end. The allocator keeps what was in use at
	// most at one time, and that is reached only by and by: 150 connections whose buffers grow to 64 KiB in each
	// direction, and the pieces of bodies that are held. That takes two minutes; whoever goes on for longer may
	// grow by little after halfway.
	filesMore      = 8
	memoryMore     = 48 << 20
	memoryMoreLate = 16 << 20
	growsUp        = 2 * time.Minute
)

func main() {
	log.SetFlags(0)
	if len(os.Args) == 7 && os.Args[1] == "model" {
		log.Fatal(serveModel(os.Args[2:]))
	}
	if len(os.Args) < 4 || os.Args[1] != "run" {
		log.Fatal("usage: soak run HOLDGATE SECONDS [SEED]")
	}
	seconds, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	if len(os.Args) > 4 {
		if seed, err = strconv.ParseUint(os.Args[4], 10, 64); err != nil {
			log.Fatal(err)
		}
	}
	if err := soak(os.Args[2], time.Duration(seconds)*time.Second, seed); err != nil {
		log.Fatal(err)
	}
}

func soak(holdgate string, duration time.Duration, seed uint64) error {
	fmt.Printf("soak: %v of everything at once, seed %d\n", duration, seed)
	folder, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	gate, err := start(holdgate, folder)
	if err != nil {
		return err
	}
	defer gate.stop()
	// What is allocated once is, before anybody looks.
	warm := newTally()
	traffic(gate, warm, seed+1, max(duration/10, 5*time.Second), nil)
	if err := gate.quiet(30 * time.Second); err != nil {
		return err
	}
	begun := gate.cost()
	t := newTally()
	var halfway cost
	if duration/2 >= growsUp {
		time.AfterFunc(duration/2, func() { halfway = gate.cost() })
	}
	traffic(gate, t, seed, duration, func(ctx context.Context, dice *rand.Rand) { trouble(ctx, gate, t, dice) })
	if err := gate.write(usual); err != nil {
		return err
	}
	quiet := gate.quiet(60 * time.Second)
	t.print()
	return judge(gate, t, warm, begun, halfway, quiet, folder)
}

// Clients of every kind, and whoever makes trouble meanwhile.
func traffic(gate *gate, t *tally, seed uint64, duration time.Duration, more func(context.Context, *rand.Rand)) {
	ctx, cancel := context.WithTimeout(context.Background(), duration)
	defer cancel()
	var all sync.WaitGroup
	for n := range uint64(clients) {
		c, err := newClient(gate.address, seed, n, t)
		if err != nil {
			log.Fatal(err)
		}
		all.Go(func() { c.work(ctx); c.leave() })
	}
	if more != nil {
		all.Go(func() { more(ctx, rand.New(rand.NewPCG(seed, clients))) })
	}
	all.Wait()
}

// Kills a model server or changes the settings, every second or so.
func trouble(ctx context.Context, gate *gate, t *tally, dice *rand.Rand) {
	kills, reloads := 0, 0
	for ctx.Err() == nil {
		select {
		case <-time.After(time.Duration(500+dice.IntN(1500)) * time.Millisecond):
		case <-ctx.Done():
		}
		if dice.IntN(3) > 0 {
			reloads++
			file := settings{least: 1 + dice.IntN(3), limit: 4 + 2*dice.IntN(2), guest: dice.IntN(2) == 0}
			if err := gate.write(file); err != nil {
				log.Fatal(err)
			}
			continue
		}
		if gate.killOne(dice, t) {
			kills++
		}
	}
	fmt.Printf("    %d kills, %d reloads\n", kills, reloads)
}

func judge(gate *gate, t, warm *tally, begun, halfway cost, quiet error, folder string) error {
	missing := 0
	shown := func(fact bool, what string, words ...any) {
		mark := "yes"
		if !fact {
			mark = "NO "
			missing++
		}
		fmt.Printf("    %s  %s\n", mark, fmt.Sprintf(what, words...))
	}
	all := 0
	for _, n := range t.count {
		all += n
	}
	shown(all > 100, "%d requests have come to an end", all)
	shown(len(warm.unexplained) == 0, "none of them unexplained before the trouble: %d", len(warm.unexplained))
	for _, what := range warm.unexplained[:min(10, len(warm.unexplained))] {
		fmt.Println("        ", what)
	}
	shown(len(t.unexplained) == 0, "none of them unexplained: %d", len(t.unexplained))
	complaints, _ := os.ReadFile(filepath.Join(folder, "complaints"))
	shown(len(complaints) == 0, "no model server ever had more inside than its limit: %.1200s", complaints)
	shown(quiet == nil, "slots and queues are empty again: %v", quiet)
	// Unused connections to replicas are kept for a few seconds.
	time.Sleep(7 * time.Second)
	end := gate.cost()
	shown(end.memory <= begun.memory+memoryMore, "memory is bounded: %d KiB at the beginning, %d at the end",
		begun.memory>>10, end.memory>>10)
	if halfway.memory > 0 {
		shown(end.memory <= halfway.memory+memoryMoreLate, "and was so halfway: %d KiB", halfway.memory>>10)
	}
	shown(end.files <= begun.files+filesMore, "files are closed: %d at the beginning, %d at the end", begun.files, end.files)
	shown(gate.lives(), "the gate lives")
	if missing > 0 {
		return fmt.Errorf("%d not shown", missing)
	}
	return nil
}

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A gate under test.
type gate struct {
	address, admin, file string
	process              *exec.Cmd
}

// What a reload changes.
type settings struct {
	// Never fewer replicas of those that are scaled.
	least int
	// Of the revision whose limit changes.
	limit int
	// The revision that comes and goes is there.
	guest bool
}

var usual = settings{least: 1, limit: 6, guest: true}

// The largest limit there ever is; what is inside when it is lowered may stay.
const largest = 6

func (g *gate) content(s settings) any {
	own, _ := os.Executable()
	complaints := filepath.Join(filepath.Dir(g.file), "complaints")
	revision := func(name, kind string, limit, most int, more map[string]any) map[string]any {
		all := map[string]any{
			"name": name, "hosts": []string{name + ".test"}, "containerConcurrency": limit,
			"minReplicas": s.least, "maxReplicas": 3, "failedStarts": 1000,
			"queue":       map[string]any{"maxRequests": 40, "timeout": "20s", "coldTimeout": "20s"},
			"autoscaling": map[string]any{"stableWindow": "6s"},
			"process": map[string]any{
				"command": []string{own, "model", "{port}", name, kind, strconv.Itoa(most), complaints},
			},
		}
		for key, value := range more {
			all[key] = value
		}
		return all
	}
	all := []any{
		// Reads to the end for whoever has left, so that the server's count is exact.
		revision("exact", "exact", 3, 3, map[string]any{"onDisconnect": "finish"}),
		revision("mixed", "near", s.limit, largest, nil),
	}
	if s.guest {
		all = append(all, revision("guest", "near", 2, 2, map[string]any{"minReplicas": 1, "maxReplicas": 1}))
	}
	all = append(all, revision("grpc", "grpc", 3, 3, map[string]any{"protocol": "h2c"}))
	return map[string]any{"revisions": all}
}

func (g *gate) write(s settings) error {
	text, err := json.Marshal(g.content(s))
	if err != nil {
		return err
	}
	if err := os.WriteFile(g.file+".new", text, 0o644); err != nil {
		return err
	}
	return os.Rename(g.file+".new", g.file)
}

// Starts a gate; what it says stands beside this program.
func start(holdgate, folder string) (*gate, error) {
	own, err := os.Executable()
	if err != nil {
		return nil, err
	}
	g := &gate{file: filepath.Join(folder, "gate.yaml")}
	if err := g.write(usual); err != nil {
		return nil, err
	}
	g.process = exec.Command(holdgate, "run", "-f", g.file, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
		"--log-format", "json", "--log-level", "info,model=warn")
	told, err := g.process.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := g.process.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(told)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("the gate did not start: %s", line)
		}
		if found := regexp.MustCompile(`http://([^ ,"]+)`).FindAllStringSubmatch(line, 2); len(found) == 2 {
			g.address, g.admin = found[0][1], "http://"+found[1][1]
			break
		}
		fmt.Print("    ", line)
	}
	log, err := os.Create(own + ".log")
	if err != nil {
		return nil, err
	}
	go io.Copy(log, lines)
	return g, nil
}

func (g *gate) stop() {
	g.process.Process.Signal(syscall.SIGTERM)
	done := make(chan error, 1)
	go func() { done <- g.process.Wait() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		g.process.Process.Kill()
	}
}

func (g *gate) lives() bool { return g.process.Process.Signal(syscall.Signal(0)) == nil }

// Waits until no slot is taken and nobody is in line.
func (g *gate) quiet(within time.Duration) error {
	var busy string
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		answer, err := http.Get(g.admin + "/revisions")
		if err != nil {
			return err
		}
		var all []struct {
			Name     string
			InFlight int
			Queue    struct{ Depth, Bytes int }
			Replicas []struct{ InFlight int }
		}
		err = json.NewDecoder(answer.Body).Decode(&all)
		answer.Body.Close()
		if err != nil {
			return err
		}
		busy = ""
		for _, one := range all {
			inside := one.InFlight + one.Queue.Depth + one.Queue.Bytes
			for _, replica := range one.Replicas {
				inside += replica.InFlight
			}
			if inside > 0 {
				busy += fmt.Sprintf("%+v ", one)
			}
		}
		if busy == "" {
			return nil
		}
	}
	return fmt.Errorf("still busy after %v: %s", within, busy)
}

// What the gate has taken of the machine.
type cost struct{ memory, files int }

func (g *gate) cost() (c cost) {
	folder := fmt.Sprintf("/proc/%d", g.process.Process.Pid)
	rollup, _ := os.ReadFile(folder + "/smaps_rollup")
	if found := regexp.MustCompile(`(?m)^Pss: +(\d+) kB`).FindSubmatch(rollup); found != nil {
		kib, _ := strconv.Atoi(string(found[1]))
		c.memory = kib << 10
	}
	files, _ := os.ReadDir(folder + "/fd")
	c.files = len(files)
	return c
}

// Kills one of this gate's model servers, without a word.
func (g *gate) killOne(dice *rand.Rand, t *tally) bool {
	own, _ := os.Executable()
	type model struct {
		pid      int
		revision string
	}
	var models []model
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, folder := range folders {
		line, _ := os.ReadFile(folder + "/cmdline")
		words := strings.Split(string(line), "\x00")
		if len(words) < 4 || words[0] != own || words[1] != "model" || !strings.Contains(string(line), filepath.Dir(g.file)) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(folder))
		models = append(models, model{pid, words[3]})
	}
	if len(models) == 0 {
		return false
	}
	one := models[dice.IntN(len(models))]
	t.killed(one.revision)
	return syscall.Kill(one.pid, syscall.SIGKILL) == nil
}

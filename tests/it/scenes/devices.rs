//! Models that share a machine: devices of their own, and turns on few places.

use std::sync::Arc;
use std::time::Duration;

use holdgate::backend::ProcessSpec;
use holdgate::backend::places::Places;
use holdgate::ports::ReplicaState;
use holdgate::revision::{ContainerConcurrency, RevisionSpec};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::{Ask, Dice, Gate, Process, defaults, ms, post, process, secs};

/// From a start that is decided on until its process runs.
const LAUNCH: Duration = ms(2);
/// Between two looks whether it is ready.
const LOOK: Duration = ms(25);

fn pool(processes: usize, names: &[&str]) -> Places {
    let devices = names.iter().map(|&name| name.to_owned()).collect();
    Places::with_devices(processes, devices)
}

/// A model whose server loads for a while and needs so many devices.
fn model(name: &str, load: Duration, gpus: u32) -> (RevisionSpec, ProcessSpec) {
    let mut spec = defaults(name);
    spec.container_concurrency = ContainerConcurrency::new(1);
    let mut process = process(load);
    name.clone_into(&mut process.command[0]);
    process.gpus = gpus;
    (spec, process)
}

/// A gate with these models.
fn gate(places: Places, models: impl IntoIterator<Item = (RevisionSpec, ProcessSpec)>) -> Gate {
    let mut gate = Gate::on(places);
    for (spec, process) in models {
        gate.add(spec, process);
    }
    gate
}

/// A question to a model that takes so long to answer.
fn question(name: &str, took: Duration) -> Ask {
    let target = format!("/v1/models/{name}:predict?ms={}", took.as_millis());
    post(&target, 1)
}

/// The processes of a model in the order of their launch.
fn launched(gate: &Gate, name: &str) -> Vec<Arc<Process>> {
    let mut all = gate.machine.launched();
    all.retain(|process| process.program == name);
    all
}

fn running(gate: &Gate) -> Vec<String> {
    let running = gate.machine.running();
    running.iter().map(|p| p.program.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn fifty_waiting_on_two_devices_get_two_replicas_and_the_third_wish_is_held() {
    let mut slow = model("m", secs(20), 1);
    slow.0.queue.max_requests = 50;
    let gate = gate(pool(16, &["0", "1"]), [slow]);
    let mut waiting = JoinSet::new();
    for _ in 0..50 {
        let client = gate.client();
        waiting.spawn(async move { client.await.ask(question("m", secs(1))).await });
    }

    sleep(secs(30)).await;
    let devices: Vec<_> = launched(&gate, "m")
        .iter()
        .map(|p| p.devices.clone())
        .collect();
    assert_eq!(devices, [["0"], ["1"]]);
    let decision = gate.last_decision("m");
    assert_eq!(decision.bound_by().as_str(), "no_free_gpu");
    assert!(decision.replicas > Some(2), "{decision:?}");
    assert!(
        decision
            .reason()
            .to_string()
            .ends_with("; waiting: no free GPU")
    );

    // One of them dies: its device is given to the next.
    launched(&gate, "m")[1].kill();
    gate.until(|gate| launched(gate, "m").len() == 3).await;
    assert_eq!(launched(&gate, "m")[2].devices, ["1"]);
    let answers = waiting.join_all().await;
    let lost = answers.iter().filter(|answer| answer.code() != 200).count();
    assert!(lost <= 1, "at most what was inside the one that died");
    assert_eq!(gate.machine.shared(), [""; 0]);
}

/// Requests for A, B and A again, each sent while the one before is being answered.
async fn take_turns(places: Places, gpus: u32) {
    let models = ["a", "b"].map(|name| model(name, secs(5), gpus));
    let gate = gate(places, models);
    let mut answers = Vec::new();
    for name in ["a", "b", "a"] {
        let client = gate.client();
        answers.push(tokio::spawn(async move {
            let answer = client.await.ask(question(name, secs(40))).await;
            (answer.code(), Instant::now())
        }));
        gate.until(|gate| running(gate) == [name] && gate.machine.at_work() == 1)
            .await;
    }

    let mut ends = Vec::new();
    for answer in answers {
        let (code, at) = answer.await.expect("no panic");
        assert_eq!(code, 200);
        ends.push(at);
    }
    let launched = gate.machine.launched();
    let programs: Vec<&str> = launched.iter().map(|p| p.program.as_str()).collect();
    assert_eq!(programs, ["a", "b", "a"]);
    for (end, next) in ends.iter().zip(&launched[1..]) {
        assert_eq!(next.launched - *end, LAUNCH);
    }
    assert_eq!(gate.machine.most_running(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_models_take_turns_on_one_device_as_soon_as_the_last_answer_has_ended() {
    take_turns(pool(16, &["0"]), 1).await;
}

#[tokio::test(start_paused = true)]
async fn two_models_take_turns_on_one_place_as_soon_as_the_last_answer_has_ended() {
    take_turns(Places::new(1), 0).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_model_gives_up_its_device_at_once_and_wants_nothing_without_requests() {
    let gate = gate(
        pool(16, &["0"]),
        ["a", "b"].map(|name| model(name, secs(5), 1)),
    );
    assert_eq!(gate.ask(question("a", secs(1))).await.code(), 200);
    sleep(secs(2)).await;

    let answer = gate.ask(question("b", secs(1))).await;

    // Not the ninety seconds after which an idle model goes by itself.
    let most = LAUNCH + secs(5) + LOOK + secs(1);
    assert!(
        answer.code() == 200 && answer.took <= most,
        "{:?}",
        answer.took
    );
    assert_eq!(running(&gate), ["b"]);
    sleep(secs(60)).await;
    assert_eq!(running(&gate), ["b"], "nobody asked for a");
    sleep(secs(600)).await;
    assert_eq!(gate.machine.launched().len(), 2);
    assert_eq!(running(&gate), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_is_always_there_is_not_taken_and_who_waits_is_told_why() {
    let mut always = model("a", secs(1), 1);
    always.0.scaling.min_replicas = 1;
    let mut other = model("b", secs(1), 1);
    other.0.queue.cold_timeout = secs(300);
    let gate = gate(pool(16, &["0"]), [always, other]);
    gate.until(|gate| gate.count(ReplicaState::Ready) == 1)
        .await;

    let answer = gate.ask(question("b", secs(1))).await;

    assert_eq!((answer.code(), running(&gate)), (504, vec!["a".to_owned()]));
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains("no GPU is free; in use by a"), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn of_three_models_the_one_that_is_idle_for_longest_goes() {
    let names = ["a", "b", "c", "d"];
    let gate = gate(Places::new(3), names.map(|name| model(name, secs(1), 0)));
    for name in ["a", "b", "c", "b", "a"] {
        assert_eq!(gate.ask(question(name, secs(1))).await.code(), 200);
    }

    assert_eq!(gate.ask(question("d", secs(1))).await.code(), 200);

    assert_eq!(running(&gate), ["a", "b", "d"]);
    assert_eq!(gate.machine.most_running(), 3);
}

/// Requests come at random to models that need none, one or two devices each, one of which is
/// always there; some clients leave, and some model servers die.
async fn live_through(seed: u64) {
    let mut dice = Dice::new(seed);
    let needs = [("a", 0), ("b", 1), ("c", 1), ("d", 2), ("e", 1)];
    let models = needs.map(|(name, gpus)| {
        let (mut spec, process) = model(name, ms(200 + 300 * u64::from(gpus)), gpus);
        spec.scaling.min_replicas = u32::from(name == "e");
        spec.scaling.max_replicas = Some(2);
        (spec, process)
    });
    let gate = Arc::new(gate(pool(4, &["0", "1", "2"]), models));
    let mut clients = JoinSet::new();
    for _ in 0..120 {
        sleep(ms(dice.below(1500))).await;
        let (name, _) = needs[usize::try_from(dice.below(5)).expect("few")];
        let asking = gate.asking(question(name, ms(dice.below(3000))));
        let leaves = dice.below(10) == 0;
        let patience = ms(dice.below(4000));
        clients.spawn(async move {
            if leaves {
                sleep(patience).await;
                return None;
            }
            Some(asking.await.expect("no panic").code())
        });
        if dice.below(20) == 0
            && let Some(process) = gate.machine.running().first()
        {
            process.kill();
        }
        assert_eq!(gate.machine.shared(), [""; 0], "seed {seed}");
        assert!(gate.machine.most_running() <= 4, "seed {seed}");
    }
    let codes: Vec<u16> = clients.join_all().await.into_iter().flatten().collect();
    let lost = codes
        .iter()
        .filter(|code| !matches!(code, 200 | 502))
        .count();
    assert_eq!(lost, 0, "seed {seed}: {codes:?}");
    assert_eq!(gate.machine.shared(), [""; 0], "seed {seed}");
    assert!(gate.machine.most_running() <= 4, "seed {seed}");
}

#[tokio::test(start_paused = true)]
async fn in_random_histories_no_device_is_shared_no_bound_exceeded_and_everybody_answered() {
    for seed in 1..=20 {
        live_through(seed).await;
    }
}

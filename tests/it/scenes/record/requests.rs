//! What a record tells of single requests: how long they waited, and every way in which they end.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_request_is_recorded_with_its_wait_its_service_time_and_its_sizes() {
    let folder = Folder::new();
    let (gate, recording) = Gate::recorded(revision(1, 1..=1), secs(3), &folder.file(), 64 * MIB);
    sleep(secs(5)).await;
    let first = gate.asking(post("/?ms=400", 100));
    sleep(ms(100)).await;
    let second = gate.asking(post("/?ms=700", 2000));
    sleep(ms(100)).await;
    let hung_up = gate.asking(get("/?ms=700"));
    sleep(ms(100)).await;
    drop(hung_up);
    let bytes = second.await.expect("no panic").text().len() as u64;
    drop(first.await);
    let stubborn = gate.asking(get("/?ms=2000&stubborn"));
    sleep(ms(500)).await;
    drop(stubborn);
    sleep(secs(5)).await;
    recording.finish().await;

    let requests = read(&folder.file()).requests;
    let times: Vec<_> = requests
        .iter()
        .map(|r| (r.waited(), r.occupied(), r.stayed()))
        .collect();
    assert_eq!(
        times,
        [
            (Some(ms(0)), Some(ms(400)), Some(ms(400))),
            (Some(ms(300)), Some(ms(700)), Some(ms(1000))),
            (None, None, Some(ms(100))),
            (Some(ms(0)), Some(ms(2000)), Some(ms(500))),
        ]
    );
    let sizes: Vec<_> = requests
        .iter()
        .map(|r| (r.announced, r.held_more))
        .collect();
    assert_eq!(sizes, [(100, 0), (2000, 0), (0, 0), (0, 0)]);
    let answered = Fate::Answered {
        code: 200,
        sent: bytes,
    };
    assert_eq!(
        (requests[1].fate, requests[2].fate),
        (answered, Fate::ClientLeft)
    );
}

/// The request of a gate that is alone in its record, once it has ended.
async fn ended(spec: RevisionSpec, life: impl AsyncFnOnce(&mut Gate)) -> Request {
    let folder = Folder::new();
    let (mut gate, recording) = Gate::recorded(spec, ms(0), &folder.file(), 64 * MIB);
    life(&mut gate).await;
    sleep(secs(2)).await;
    recording.finish().await;
    let requests = read(&folder.file()).requests;
    *requests.last().expect("it arrived")
}

#[tokio::test(start_paused = true)]
async fn every_way_in_which_a_request_can_end_is_recorded() {
    let warm = |limit| revision(limit, 1..=1);

    let mut impatient = warm(1);
    impatient.queue.timeout = secs(1);
    let waited = ended(impatient, async |gate| {
        sleep(secs(2)).await;
        let _first = gate.asking(get("/?ms=20000"));
        sleep(ms(10)).await;
        assert_eq!(gate.ask(get("/")).await.code(), 504);
    });
    let waited = waited.await;
    assert_eq!(waited.fate, Fate::Refused(Reason::QueueTimeout));
    assert_eq!((waited.seated, waited.stayed()), (None, Some(secs(1))));

    let mut short = warm(1);
    short.timeouts.total = Some(secs(1));
    let late = ended(short, async |gate| {
        assert_eq!(gate.ask(get("/?ms=1500&stubborn")).await.code(), 504);
    });
    let late = late.await;
    assert_eq!(late.fate, Fate::Refused(Reason::UpstreamTimeout));
    assert_eq!(late.occupied(), Some(ms(1500)), "the replica went on");

    let cut = ended(warm(0), async |gate| {
        let stream = gate.asking(get("/?chunks=5&silent"));
        sleep(secs(3)).await;
        gate.machine.running()[0].kill();
        assert!(stream.await.expect("no panic").body.is_err());
    });
    let (code, sent) = (200, "data: 0\n\n".len() as u64);
    assert_eq!(cut.await.fate, Fate::Cut { code, sent });

    let unreachable = ended(warm(0), async |gate| {
        sleep(secs(2)).await;
        gate.machine.refuse(true);
        assert_eq!(gate.ask(get("/")).await.code(), 502);
    });
    let unreachable = unreachable.await;
    assert_eq!(unreachable.fate, Fate::Refused(Reason::ConnectFailed));
    assert_eq!((unreachable.rebuffs, unreachable.seated), (1, None));

    let nowhere = ended(revision(0, 4..=4), async |gate| {
        sleep(secs(2)).await;
        gate.machine.refuse(true);
        assert_eq!(gate.ask(get("/")).await.code(), 502);
    });
    let nowhere = nowhere.await;
    assert_eq!(nowhere.fate, Fate::Refused(Reason::ConnectFailed));
    assert_eq!(nowhere.rebuffs, 4, "each is tried once");

    let hopeless = ended(revision(0, 0..=1), async |gate| {
        gate.machine.next([Start::CrashAfter(ms(100)); 9]);
        assert_eq!(gate.ask(get("/")).await.code(), 503);
        assert_eq!(gate.ask(get("/")).await.code(), 503);
    });
    assert_eq!(hopeless.await.fate, Fate::Refused(Reason::ColdStartFailed));

    let open = ended(warm(0), async |gate| {
        sleep(secs(2)).await;
        std::mem::forget(gate.asking(get("/?ms=100000")));
    });
    let open = open.await;
    assert_eq!((open.fate, open.over), (Fate::Open, None));
    assert!(open.seated.is_some());
}

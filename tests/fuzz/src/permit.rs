//! The executor's machine: permits, extensions, demotes, revokes, ends of the channel, outcomes of
//! hooks and times in any order, as a careful shell hands them over. What must hold is judged from
//! outside (X1 to X5, 9.7, 9.13, 9.18).

use election::{Epoch, Executor, ExecutorAlarm, Marker, Moment, Order, Permit, Span, Word};

use crate::draw::Draw;
use crate::values::span;

const GRACEFUL: Span = Span::from_secs(2);
const FENCE: Span = Span::from_millis(800);
const LEASE: Span = Span::from_millis(400);

/// Any bytes.
pub fn run(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let mut bench = Bench::start(&mut draw);
    while !draw.is_over() {
        bench.step(&mut draw);
    }
    bench.comes_to_rest();
}

/// What hooks run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Running {
    Promote,
    Demote,
    Escalate,
}

/// The machine, the shell around it, and what the judge knows.
struct Bench {
    machine: Executor,
    now: Moment,
    marker: Marker,
    channel: bool,
    escalation: Span,
    running: Option<Running>,
    /// What stands, or may stand.
    stands: Option<Epoch>,
    /// The permit as it was given and extended, until it ended once.
    granted: Option<(Epoch, Moment)>,
    /// An urgent demote was ordered and its end is awaited.
    urgent: bool,
    /// D of it ends then.
    fence_end: Option<Moment>,
    stuck: bool,
    /// When the machine was told the time in this step.
    looked: Option<Moment>,
    /// The highest permit or revoke that was read.
    read: Epoch,
    promoted: Epoch,
}

impl Bench {
    fn start(draw: &mut Draw<'_>) -> Self {
        let now = Moment { boot: 50_000_000_000, raw: 40_000_000_000 };
        let escalation = draw.pick(&[Span::ZERO, Span::from_millis(200)]);
        let epoch = Epoch(u64::from(draw.byte()));
        let marker = match draw.below(4) {
            0 => Marker::Missing,
            1 => Marker::Unreadable,
            2 => Marker::Acting { epoch, fence: FENCE },
            _ => Marker::Idle { epoch },
        };
        Self::start_from(draw, now, marker, escalation, Epoch(0))
    }

    /// X5: `promoted` is what the run before promoted last.
    fn start_from(
        draw: &mut Draw<'_>,
        now: Moment,
        marker: Marker,
        escalation: Span,
        promoted: Epoch,
    ) -> Self {
        let known = match marker {
            Marker::Acting { epoch, .. } | Marker::Idle { epoch } => epoch,
            Marker::Missing | Marker::Unreadable => Epoch(0),
        };
        let claim = draw.flag().then(|| Epoch(draw.near(known.0)));
        let mut machine = Executor::start(now, marker, claim, FENCE, escalation, GRACEFUL);
        crate::sabotage::executor(&mut machine);
        let acting = matches!(marker, Marker::Acting { .. } | Marker::Unreadable);
        let mut bench = Self {
            machine,
            now,
            marker,
            channel: false,
            escalation,
            running: None,
            stands: acting.then_some(known),
            granted: None,
            urgent: false,
            fence_end: None,
            stuck: false,
            looked: None,
            read: known.max(claim.unwrap_or_default()),
            promoted,
        };
        assert!(!acting || !bench.machine.is_idle(), "X5: idle by a marker that says acting");
        bench.carry_out(draw);
        assert!(!acting || bench.urgent, "X5: no demote for what the marker says");
        bench
    }

    fn step(&mut self, draw: &mut Draw<'_>) {
        self.looked = None;
        match draw.below(12) {
            0 => self.pass(draw, true, true),
            1 => self.pass(draw, true, false),
            2 => self.pass(draw, false, true),
            3 => self.look(),
            4 | 5 => self.permit(draw),
            6 => self.extend(draw),
            7 => self.let_go(draw, false),
            8 => self.let_go(draw, true),
            9 => self.outcome(!draw.rarely(4)),
            10 => self.channel(),
            _ => return self.restart(draw),
        }
        self.carry_out(draw);
        self.judge();
    }

    /// The clocks go on, together or one alone; mostly something looks at them then.
    fn pass(&mut self, draw: &mut Draw<'_>, boot: bool, raw: bool) {
        let usual = draw.pick(&[LEASE.part(4), LEASE, FENCE, GRACEFUL, Span::from_millis(1)]);
        let mut span = span(draw, usual);
        if draw.flag()
            && let Some(wake) = self.machine.wake()
        {
            span = wake.left_until_either(self.now);
        }
        let span = span.min(Span::from_secs(100));
        let later = self.now.plus(span);
        self.now = Moment {
            boot: if boot { later.boot } else { self.now.boot },
            raw: if raw { later.raw } else { self.now.raw },
        };
        self.expire();
        if !draw.rarely(4) {
            self.look();
        }
    }

    /// Once, and again at once while the timer says so: noticed late, D is over as well.
    fn look(&mut self) {
        for _ in 0..3 {
            self.machine.handle_timeout(self.now);
            if self.machine.wake().is_none_or(|at| !at.over_when_either(self.now)) {
                break;
            }
        }
        self.looked = Some(self.now);
    }

    fn expire(&mut self) {
        self.granted = self.granted.filter(|(_, until)| !until.over_when_either(self.now));
    }

    fn until(&self, draw: &mut Draw<'_>) -> Moment {
        let later = self.now.plus(span(draw, LEASE).min(Span::from_secs(100)));
        match draw.below(8) {
            5 => Moment { boot: self.now.boot, ..later },
            6 => self.now,
            7 => Moment { boot: draw.number(), raw: draw.number() },
            _ => later,
        }
    }

    fn permit(&mut self, draw: &mut Draw<'_>) {
        let epoch = Epoch(draw.near(self.machine.last_epoch().0.saturating_add(1)));
        let fence = span(draw, FENCE);
        let permit = Permit { epoch, until: self.until(draw), fence };
        if self.machine.is_idle() && epoch > self.read {
            self.read = epoch;
            self.granted = Some((epoch, permit.until));
            self.expire();
        }
        self.machine.handle_permit(self.now, permit);
    }

    fn extend(&mut self, draw: &mut Draw<'_>) {
        let epoch = self.some_epoch(draw);
        let until = self.until(draw);
        self.expire();
        if let Some((granted, end)) = &mut self.granted
            && *granted == epoch
        {
            *end = end.latest(until);
        }
        self.machine.handle_extend(self.now, epoch, until);
    }

    fn some_epoch(&self, draw: &mut Draw<'_>) -> Epoch {
        let current = self.machine.permit().map_or(self.machine.last_epoch(), |p| p.epoch);
        if draw.rarely(3) { Epoch(draw.near(current.0)) } else { current }
    }

    /// A demote in order, or a revoke.
    fn let_go(&mut self, draw: &mut Draw<'_>, at_once: bool) {
        let epoch = self.some_epoch(draw);
        if self.machine.is_idle() || self.machine.permit().is_none_or(|p| p.epoch != epoch) {
            self.read = self.read.max(epoch);
        } else if at_once {
            self.granted = None;
        }
        if at_once {
            self.machine.handle_revoke(self.now, epoch);
        } else {
            self.machine.handle_demote(self.now, epoch);
        }
    }

    /// What runs ends.
    fn outcome(&mut self, success: bool) {
        let Some(running) = self.running.take() else { return };
        match running {
            Running::Promote => self.machine.handle_promoted(self.now, success),
            Running::Demote | Running::Escalate => {
                if success {
                    self.stands = None;
                }
                if running == Running::Demote {
                    self.machine.handle_demoted(self.now, success);
                } else {
                    self.stuck |= !success;
                    self.machine.handle_escalated(success);
                }
            }
        }
    }

    fn channel(&mut self) {
        if self.channel {
            self.channel = false;
            self.granted = None;
            self.machine.handle_channel_closed(self.now);
            let free = self.machine.permit().is_none();
            let acts =
                self.machine.permit().is_some_and(|p| self.machine.may_act(self.now, p.epoch));
            assert!(free || !acts, "X2: acts on without its elector");
        } else if self.machine.is_idle() {
            // X2: a new elector only then.
            self.channel = true;
            self.machine.handle_channel_opened();
        }
    }

    /// The executor dies and another begins; the effects stand as they stood.
    fn restart(&mut self, draw: &mut Draw<'_>) {
        let (marker, stood) = (self.marker, self.stands);
        let next = Self::start_from(draw, self.now, marker, self.escalation, self.promoted);
        assert!(stood.is_none() || next.stands.is_some(), "X5: effects that no marker records");
        assert!(next.read >= self.promoted, "X5: forgot epoch {}", self.promoted);
        *self = next;
        self.stands = self.stands.or(stood);
    }

    fn carry_out(&mut self, draw: &mut Draw<'_>) {
        while let Some(order) = self.machine.next_order() {
            self.obey(&order);
            // Each write of the marker takes a while.
            if draw.rarely(16) {
                self.now = self.now.plus(LEASE);
                self.expire();
            }
        }
    }

    fn obey(&mut self, order: &Order) {
        match *order {
            Order::MarkActing(permit) => {
                assert!(self.stands.is_none(), "X5: marked while something stands");
                self.marker = Marker::Acting { epoch: permit.epoch, fence: permit.fence };
            }
            Order::Promote { epoch } => {
                assert!(self.running.is_none() && self.stands.is_none(), "9.18: two runs at once");
                assert!(epoch > self.promoted, "9.13: epoch {epoch} after {}", self.promoted);
                let marked = matches!(self.marker, Marker::Acting { epoch: of, .. } if of == epoch);
                assert!(marked, "X5: promotes epoch {epoch} with {:?}", self.marker);
                self.promoted = epoch;
                if self.machine.may_act(self.now, epoch) {
                    assert!(self.is_granted(epoch), "9.7: promotes without a live permit");
                    self.running = Some(Running::Promote);
                    self.stands = Some(epoch);
                }
            }
            Order::Demote { epoch, limit, urgent } => {
                self.running = Some(Running::Demote);
                if urgent {
                    self.urgent = true;
                    self.in_time(epoch, limit);
                }
            }
            Order::Escalate { epoch, limit } => {
                assert!(self.urgent, "4: escalates what no urgent demote tried");
                self.running = Some(Running::Escalate);
                let permit = self.machine.permit().expect("of something");
                assert_eq!(epoch, permit.epoch);
                assert_eq!(Some(limit), self.fence_end, "X2: D ends once");
            }
            Order::MarkIdle { epoch } => {
                assert!(
                    self.stands.is_none() && self.running.is_none(),
                    "X5: marked idle too early"
                );
                self.marker = Marker::Idle { epoch };
            }
            Order::Say(word) => self.said(word),
            Order::Alarm(alarm) => {
                let gave_up = matches!(alarm, ExecutorAlarm::LettingGoFailed(_));
                assert!(!gave_up || self.stuck, "an alarm for nothing");
            }
            Order::Idle { last } => {
                assert!(self.stands.is_none(), "X2: idle with something standing");
                assert_eq!(last, self.read, "X4");
                self.urgent = false;
                self.granted = None;
            }
        }
    }

    /// X2: over by min(until, noticed) + D.
    fn in_time(&mut self, epoch: Epoch, limit: Moment) {
        let permit = self.machine.permit().expect("X2: demotes nothing");
        assert_eq!(epoch, permit.epoch);
        let end = permit.until.earliest(self.now).plus(permit.fence);
        self.fence_end = Some(end);
        let late = self.now.plus(permit.fence);
        // Where only the hooks can let go they get their time although it was noticed late.
        let end = if self.escalation == Span::ZERO { end.latest(late) } else { end };
        assert!(limit.latest(end) == end, "X2: the hooks get until {limit:?}, D ends at {end:?}");
    }

    fn said(&mut self, word: Word) {
        assert!(self.channel, "X2: speaks into a closed channel");
        match word {
            Word::Idle { epoch } => {
                assert!(self.stands.is_none() && self.running.is_none(), "X5: idle too early");
                assert!(
                    !matches!(self.marker, Marker::Acting { .. }),
                    "X5: idle before the record"
                );
                assert_eq!(epoch, self.read, "X4: the highest that was read");
            }
            Word::Promoted { epoch } | Word::PromoteFailed { epoch } => {
                assert_eq!(Some(epoch), self.stands, "a word about what does not stand");
            }
            Word::Stuck { .. } => assert!(self.stuck, "gave up without an escalation"),
        }
    }

    fn is_granted(&self, epoch: Epoch) -> bool {
        self.granted.is_some_and(|(of, until)| of == epoch && !until.over_when_either(self.now))
    }

    /// What holds after every event.
    fn judge(&self) {
        assert_eq!(self.machine.last_epoch(), self.read, "X4");
        assert_eq!(self.machine.is_stuck(), self.stuck);
        if let Some(permit) = self.machine.permit() {
            let acts = self.machine.may_act(self.now, permit.epoch);
            assert!(!acts || self.is_granted(permit.epoch), "X1: acts without a live permit");
        }
        assert!(self.stands.is_none() || !self.machine.is_idle(), "X2: forgot what stands");
        if self.looked != Some(self.now) {
            return;
        }
        let over = self.machine.wake().is_some_and(|at| at.over_when_either(self.now));
        assert!(!over, "a timer that is never met");
        let ended = self.machine.permit().is_some_and(|p| p.until.over_when_either(self.now));
        assert!(!ended || self.urgent || self.stuck, "X2: the permit is over, no urgent demote");
    }

    /// Whatever came, with hooks that work the machine ends idle, once nobody extends.
    fn comes_to_rest(&mut self) {
        let mut draw = Draw::new(&[]);
        if self.channel {
            self.channel();
        }
        for _ in 0..8 {
            self.carry_out(&mut draw);
            if let Some(at) = self.machine.wake() {
                self.now = self.now.plus(at.left_until_either(self.now));
                self.expire();
                self.machine.handle_timeout(self.now);
                self.carry_out(&mut draw);
            }
            self.outcome(true);
            self.carry_out(&mut draw);
        }
        assert!(self.machine.is_idle() || self.stuck, "X2: never lets go");
    }
}

//! What the kernel or another program may hand to the observer, however odd: no panic, and a
//! profile that holds.

mod support;

use brigade_model::profile::Wait;
use brigade_observer::figures::Figures;
use brigade_observer::{Scope, assemble, explain, procfs};
use proptest::prelude::*;
use support::{Program, listener, machine, pipe, tcp, udp};

fn any_wait() -> impl Strategy<Value = Wait> {
    prop::sample::select(vec![
        Wait::Poll,
        Wait::TimedPoll,
        Wait::Futex,
        Wait::Lock,
        Wait::PipeRead,
        Wait::PipeWrite,
        Wait::SocketReceive,
        Wait::SocketSend,
        Wait::Accept,
        Wait::Sleep,
        Wait::Uring,
        Wait::Disk,
        Wait::DirtyThrottle,
        Wait::Other,
    ])
}

fn any_program() -> impl Strategy<Value = (String, f64, f64, Vec<(Wait, f64)>)> {
    let share = 0.0..0.5_f64;
    let waits = prop::collection::vec((any_wait(), 0.01..1.0_f64), 0..4);
    ("\\PC{0,15}", share.clone(), share, waits)
}

fn any_figures() -> impl Strategy<Value = Figures> {
    let programs = prop::collection::vec(any_program(), 0..12);
    let queues = prop::collection::vec((1..14_u32, 1..14_u32, 0.0..1e7_f64, 0..4_u8), 0..12);
    (programs, queues).prop_map(|(programs, queues)| {
        let program = |(i, (name, busy, ready, waits)): (usize, (String, f64, f64, Vec<_>))| {
            let started = Program::new(i as u32 + 1, &name).busy(busy).ready(ready);
            waits.into_iter().fold(started, |program, (wait, share)| {
                program.asleep_at(wait, share, 7)
            })
        };
        let mut figures = machine(programs.into_iter().enumerate().map(program).collect());
        for (n, (from, to, standing, kind)) in (1..).zip(queues) {
            match kind {
                0 => figures.pipes.push(pipe(n, from, to, standing)),
                1 => {
                    let ports = (5000 + n as u16, 80 + (n % 3) as u16);
                    figures
                        .sockets
                        .extend(tcp((from, ports.0), (to, ports.1), standing));
                }
                2 => figures.sockets.push(listener(to, 90 + n as u16, standing)),
                _ => figures
                    .sockets
                    .push(udp(to, 100 + n as u16, standing as u64)),
            }
        }
        figures
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,300}|[0-9a-fx \n:\\[\\]()/.-]{0,300}") {
        let _ = procfs::sched_stat(&text);
        let _ = procfs::system_call(&text);
        let _ = procfs::last_core(&text);
        let _ = procfs::parent(&text);
        let _ = procfs::core_stats(&text);
        let _ = procfs::disk_stats(&text);
        let _ = procfs::softnet_stats(&text);
        let _ = procfs::counter(&text, "TcpExt", "A");
        let _ = procfs::inode(&text);
        let _ = procfs::flags(&text);
        let _ = procfs::cgroup_paths(&text);
    }

    #[test]
    fn any_figures_make_a_profile_that_holds_and_an_explanation(figures in any_figures()) {
        let profile = assemble(&figures, &Scope::Machine).unwrap();
        prop_assert!(profile.check("it").is_ok(), "{:?}", profile.check("it"));
        let said = explain(&profile);
        prop_assert!(!said.text().is_empty());
    }
}

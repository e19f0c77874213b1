//! The process itself: processor time, memory, file descriptors, as the kernel counts them.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nix::{
    sys::resource::{Resource, UsageWho, getrlimit, getrusage},
    unistd::{SysconfVar, sysconf},
};

use super::{
    page::{Page, Source},
    value::to_float,
};

/// Metrics of this process. Those that only Linux has in `/proc` are left out elsewhere.
#[derive(Debug)]
pub struct Process {
    started: SystemTime,
}

impl Process {
    /// Those of the process that calls this when it starts.
    pub fn started_now() -> Self {
        Self { started: SystemTime::now() }
    }
}

impl Source for Process {
    fn write(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
            let [user, system] = [usage.user_time(), usage.system_time()].map(|time| {
                let micros = u64::try_from(time.tv_usec()).unwrap_or_default();
                Duration::from_secs(u64::try_from(time.tv_sec()).unwrap_or_default()) + Duration::from_micros(micros)
            });
            let seconds = (user + system).as_secs_f64();
            page.counter_of_seconds("process_cpu_seconds_total", "Processor time, of users and the system.", seconds)?;
        }
        if let Some(memory) = Memory::read() {
            let Memory { virtual_bytes, resident_bytes } = memory;
            page.gauge("process_virtual_memory_bytes", "Size of the address space.", to_float(virtual_bytes))?;
            page.gauge("process_resident_memory_bytes", "Memory in use.", to_float(resident_bytes))?;
        }
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            // less the one that reads them
            let open = open.count().saturating_sub(1);
            page.gauge("process_open_fds", "Open file descriptors.", i64::try_from(open).unwrap_or(i64::MAX))?;
        }
        if let Ok((limit, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
            page.gauge("process_max_fds", "File descriptors that may be open.", to_float(limit))?;
        }
        if let Ok(tasks) = std::fs::read_dir("/proc/self/task") {
            page.gauge("process_threads", "Threads.", i64::try_from(tasks.count()).unwrap_or(i64::MAX))?;
        }
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        page.gauge(
            "process_start_time_seconds",
            "When the process started, in seconds since 1970.",
            started.as_secs_f64(),
        )
    }
}

/// What `/proc/self/statm` says.
struct Memory {
    virtual_bytes: u64,
    resident_bytes: u64,
}

impl Memory {
    fn read() -> Option<Self> {
        let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
        let page = u64::try_from(sysconf(SysconfVar::PAGE_SIZE).ok()??).ok()?;
        let mut bytes = pages.split(' ').map_while(|pages| pages.parse::<u64>().ok()).map(|pages| pages * page);
        Some(Self { virtual_bytes: bytes.next()?, resident_bytes: bytes.next()? })
    }
}

//! What JavaScript holds, by number. Each thread of JavaScript has a table of its own.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use artif_core::middleware::Gatekeeper;
use artif_core::{Engine, Member, Pinned, Reader, ReputationEngine};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::error::{Maker, invalid, lift};

thread_local! {
    pub(crate) static STATE: RefCell<State> = RefCell::default();
}

#[derive(Default)]
pub(crate) struct State {
    slots: Vec<Slot>,
    free: Vec<u32>,
    pub(crate) maker: Option<Maker>,
    /// Where answers are written: JavaScript reads them there for nothing.
    pub(crate) scratch: Option<Float64Array>,
    /// What was last ruled on, for those who want more of it than its number.
    pub(crate) last: Option<artif_core::middleware::Ruling>,
    /// Work to be stopped when this thread's JavaScript ends.
    running: Vec<Weak<AtomicBool>>,
    views: u32,
}

#[derive(Default)]
pub(crate) enum Slot {
    #[default]
    Closed,
    Source(Source),
    View(Pinned),
    Gatekeeper(Box<Gatekeeper>),
}

/// An engine, a member or a reader.
pub(crate) struct Source {
    pub(crate) opened: Opened,
    pub(crate) pin: Pinned,
    /// Names what `pin` holds, so that JavaScript knows when it needs another view.
    pub(crate) view: u32,
}

#[derive(Clone)]
pub(crate) enum Opened {
    Engine(Arc<Engine>),
    Member(Arc<Member>),
    Reader(Arc<Reader>),
}

impl Source {
    /// Whether there is something to know: a member may have no snapshot yet.
    #[inline]
    pub(crate) fn is_ready(&self) -> bool {
        !matches!(self.opened, Opened::Member(_)) || self.pin.snapshot_id() > 0
    }
}

impl Opened {
    fn pin(&self) -> Pinned {
        match self {
            Self::Engine(engine) => engine.pin(),
            Self::Member(member) => member.pin(),
            Self::Reader(reader) => reader.pin(),
        }
    }

    pub(crate) fn asked(&self) -> Arc<dyn ReputationEngine> {
        match self {
            Self::Engine(engine) => Arc::clone(engine) as _,
            Self::Member(member) => Arc::clone(member) as _,
            Self::Reader(reader) => Arc::clone(reader) as _,
        }
    }
}

/// Keeps a slot until it is closed or collected.
#[napi(custom_finalize)]
#[derive(Debug)]
pub struct Handle {
    id: u32,
    /// Bytes that the collector is told of, as it sees but a small object.
    outside: i64,
}

impl ObjectFinalize for Handle {
    fn finalize(self, env: Env) -> napi::Result<()> {
        if self.outside > 0 {
            env.adjust_external_memory(-self.outside)?;
        }
        Ok(())
    }
}

#[napi]
impl Handle {
    #[napi(getter)]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Empties the slot; its number is not used again before this object is collected.
    #[napi]
    pub fn close(&self) {
        let slot = STATE.with_borrow_mut(|state| {
            state.slots.get_mut(self.id as usize).map(std::mem::take).unwrap_or_default()
        });
        drop(slot);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // After the thread's end there is no table, and while it is in use the slot may stay.
        let slot = STATE.try_with(|state| {
            let mut state = state.try_borrow_mut().ok()?;
            let slot = std::mem::take(state.slots.get_mut(self.id as usize)?);
            state.free.push(self.id);
            Some(slot)
        });
        drop(slot);
    }
}

pub(crate) fn keep(slot: Slot) -> Handle {
    let id = STATE.with_borrow_mut(|state| {
        let id = state.free.pop().unwrap_or_else(|| {
            state.slots.push(Slot::Closed);
            state.slots.len() as u32 - 1
        });
        if let Some(place) = state.slots.get_mut(id as usize) {
            *place = slot;
        }
        id
    });
    Handle { id, outside: 0 }
}

/// Keeps what answers of one snapshot are read from. The collector is told how much that is: an old
/// snapshot stays mapped until the last answer from it is collected, which would else have no hurry.
pub(crate) fn keep_view(env: &Env, pin: Pinned) -> napi::Result<Handle> {
    let outside = i64::try_from(pin.snapshot_bytes()).unwrap_or(i64::MAX);
    let mut handle = keep(Slot::View(pin));
    env.adjust_external_memory(outside)?;
    handle.outside = outside;
    Ok(handle)
}

pub(crate) fn keep_source(opened: Opened) -> Handle {
    let pin = opened.pin();
    let view = STATE.with_borrow_mut(State::new_view);
    keep(Slot::Source(Source { opened, pin, view }))
}

impl State {
    fn new_view(&mut self) -> u32 {
        self.views = self.views.wrapping_add(1);
        self.views
    }

    /// The engine or reader of a slot, with what was published by now.
    #[inline]
    pub(crate) fn source(&mut self, id: u32) -> artif_core::Result<&mut Source> {
        match self.slots.get_mut(id as usize) {
            Some(Slot::Source(source)) => {
                if source.pin.renew() {
                    self.views = self.views.wrapping_add(1);
                    source.view = self.views;
                }
                Ok(source)
            }
            _ => Err(invalid("engine", "it is closed")),
        }
    }

    /// The engine or reader of a slot, with what it answered from last.
    pub(crate) fn as_it_was(&self, id: u32) -> artif_core::Result<&Source> {
        match self.slots.get(id as usize) {
            Some(Slot::Source(source)) => Ok(source),
            _ => Err(invalid("engine", "it is closed")),
        }
    }

    pub(crate) fn view(&self, id: u32) -> artif_core::Result<&Pinned> {
        match self.slots.get(id as usize) {
            Some(Slot::View(pin)) => Ok(pin),
            _ => Err(invalid("view", "there is none")),
        }
    }

    pub(crate) fn gatekeeper(&self, id: u32) -> artif_core::Result<&Gatekeeper> {
        match self.slots.get(id as usize) {
            Some(Slot::Gatekeeper(gatekeeper)) => Ok(gatekeeper),
            _ => Err(invalid("gatekeeper", "there is none")),
        }
    }

    pub(crate) fn stop_at_the_end(&mut self, stop: &Arc<AtomicBool>) {
        self.running.retain(|stop| stop.strong_count() > 0);
        self.running.push(Arc::downgrade(stop));
    }
}

/// Calls `ask` with the engine or reader of a slot. Nothing in it may call into JavaScript.
#[inline]
pub(crate) fn asking<T>(env: &Env, id: u32, ask: impl FnOnce(&mut Source) -> T) -> napi::Result<T> {
    let answer = STATE.with_borrow_mut(|state| state.source(id).map(ask));
    lift(env, answer)
}

/// The engine or reader itself, for work that takes longer.
pub(crate) fn opened(env: &Env, id: u32) -> napi::Result<Opened> {
    asking(env, id, |source| source.opened.clone())
}

/// The engine itself; readers have nothing to write to.
pub(crate) fn owner(env: &Env, id: u32) -> napi::Result<Arc<Engine>> {
    let owner = match opened(env, id)? {
        Opened::Engine(engine) => Ok(engine),
        Opened::Reader(_) => Err(invalid("engine", "a reader owns nothing")),
        Opened::Member(_) => Err(invalid("engine", "a member refreshes by itself")),
    };
    lift(env, owner)
}

/// The member itself.
pub(crate) fn member(env: &Env, id: u32) -> napi::Result<Arc<Member>> {
    let member = match opened(env, id)? {
        Opened::Member(member) => Ok(member),
        _ => Err(invalid("member", "it is none")),
    };
    lift(env, member)
}

/// Before anything else in each thread: how errors are made, and where answers are written.
#[napi(
    ts_args_type = "maker: (code: string, message: string, isRetryable: boolean) => Error, scratch: Float64Array"
)]
pub fn set_up(
    env: &Env,
    maker: Function<'_, FnArgs<(String, String, bool)>, Unknown<'static>>,
    scratch: Float64Array,
) -> napi::Result<()> {
    let maker = maker.create_ref()?;
    STATE.with_borrow_mut(|state| {
        state.maker = Some(maker);
        state.scratch = Some(scratch);
    });
    env.add_env_cleanup_hook((), |()| {
        let state = STATE.try_with(std::cell::RefCell::take);
        let Ok(state) = state else { return };
        for stop in state.running.iter().filter_map(Weak::upgrade) {
            stop.store(true, Ordering::Release);
        }
    })?;
    Ok(())
}

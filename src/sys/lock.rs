//! A lock that may leave something to be done once it is let go.

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, LockResult, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a lock protects.
pub trait Protected {
    /// What is left to do. Its `drop` does it.
    type Left;

    /// Takes out what is to be done when the lock is let go.
    fn leave(&mut self) -> Option<Self::Left>;
}

/// A [`Mutex`] whose guard is a [`Guard`].
pub struct Lock<T>(Mutex<T>);

/// The lock, held.
pub struct Guard<'a, T: Protected>(ManuallyDrop<MutexGuard<'a, T>>);

impl<T: Protected> Lock<T> {
    /// Around this.
    pub fn new(what: T) -> Self {
        Lock(Mutex::new(what))
    }

    /// Takes the lock.
    #[inline]
    pub fn lock(&self) -> LockResult<Guard<'_, T>> {
        wrap(self.0.lock())
    }
}

impl<'a, T: Protected> Guard<'a, T> {
    /// Lets the lock go until the condition variable is notified, or so much time has passed.
    pub fn sleep(mut self, on: &Condvar, left: Option<Duration>) -> LockResult<Guard<'a, T>> {
        // The condition variable lets it go, so nothing can be done behind that.
        drop(self.leave());
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not used again, nor dropped.
        let held = unsafe { ManuallyDrop::take(&mut this.0) };
        match left {
            None => wrap(on.wait(held)),
            Some(left) => match on.wait_timeout(held, left) {
                Ok((held, _)) => wrap(Ok(held)),
                Err(why) => wrap(Err(PoisonError::new(why.into_inner().0))),
            },
        }
    }
}

fn wrap<T: Protected>(held: LockResult<MutexGuard<'_, T>>) -> LockResult<Guard<'_, T>> {
    let guard = |held| Guard(ManuallyDrop::new(held));
    held.map(guard).map_err(|why| PoisonError::new(guard(why.into_inner())))
}

impl<T: Protected> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let left = self.leave();
        // SAFETY: it is dropped here alone; `sleep`, which takes it out, does not come here.
        unsafe { ManuallyDrop::drop(&mut self.0) };
        if let Some(left) = left {
            end(left);
        }
    }
}

/// Seldom is anything left to do.
#[cold]
fn end<T>(left: T) {
    drop(left);
}

impl<T: Protected> Deref for Guard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Protected> DerefMut for Guard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

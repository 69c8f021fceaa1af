//! Transactions in numbered places, with handles that a later tenant of the same place does not answer to.

/// Names one transaction of one machine; stale once the transaction has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle {
    place: u32,
    generation: u32,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    tenant: Option<T>,
}

#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    pub(super) const fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn insert(&mut self, tenant: T) -> Handle {
        if let Some(place) = self.free.pop()
            && let Some(entry) = self.places.get_mut(place as usize)
        {
            entry.tenant = Some(tenant);
            return Handle { place, generation: entry.generation };
        }
        // The machines' limits are far below 2^32; were they not, the last place would be shared, never a panic.
        let place = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push(Place { generation: 0, tenant: Some(tenant) });
        Handle { place, generation: 0 }
    }

    pub(super) fn get(&self, handle: Handle) -> Option<&T> {
        self.places.get(handle.place as usize).filter(|p| p.generation == handle.generation)?.tenant.as_ref()
    }

    pub(super) fn get_mut(&mut self, handle: Handle) -> Option<&mut T> {
        self.places.get_mut(handle.place as usize).filter(|p| p.generation == handle.generation)?.tenant.as_mut()
    }

    pub(super) fn remove(&mut self, handle: Handle) -> Option<T> {
        let entry = self.places.get_mut(handle.place as usize).filter(|p| p.generation == handle.generation)?;
        let tenant = entry.tenant.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(handle.place);
        Some(tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_does_not_open_the_place_to_its_next_tenant() {
        let mut slab = Slab::new();
        let first = slab.insert("first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second");
        assert_eq!((slab.remove(first), slab.get(first), slab.get(second)), (None, None, Some(&"second")));
        assert_eq!(slab.len(), 1);
    }
}

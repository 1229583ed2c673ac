//! The commands `plug` and `unplug`: QEMU's part of hotplug. `guest-tests/lib/guest.sh` has the
//! guest's part, and `images/<arch>.toml` describes the slots.
//!
//! Slots have no state here: QEMU is asked which are free, also after a migration.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use host::wait::{self, Limit};
use plan::arch::Hotplug;
use qemu::qmp;
use serde_json::{Map, Value, json};

use super::Case;
use super::monitor::{Asker, MONITOR_WAIT};
use helpers::event::Expected;
use helpers::{Reply, monitor};

/// How long a guest may take to release a device. PCI Express alone requires five seconds between
/// the button press and power-off.
const UNPLUG_WAIT: Duration = Duration::from_secs(30);

/// State that makes ids of plugged devices unique.
#[derive(Default)]
pub(super) struct Plugs {
    last: AtomicU32,
    /// Held from the search for a free slot until it is used.
    search: Mutex<()>,
}

impl Case<'_> {
    /// `plug DRIVER key=value…`: adds the device, and returns its id and slot.
    pub(super) fn plug(&self, client: &qmp::Client, args: &[String]) -> Reply {
        let Some((driver, rest)) = args.split_first() else {
            return Reply::error(2, "plug: expected a driver");
        };
        let mut words = vec!["device_add".to_owned(), format!("driver={driver}")];
        words.extend_from_slice(rest);
        let Value::Object(mut arguments) = (match monitor::parse(&words) {
            Ok(command) => command.arguments,
            Err(error) => return Reply::error(2, error),
        }) else {
            return Reply::error(2, "plug: no device");
        };
        let search = self.plugs.search.lock();
        let _alone = search.unwrap_or_else(PoisonError::into_inner);
        self.add(client, driver, &mut arguments)
            .unwrap_or_else(|why| Reply::error(1, format!("plug {driver}: {why}")))
    }

    fn add(
        &self,
        client: &qmp::Client,
        driver: &str,
        arguments: &mut Map<String, Value>,
    ) -> Result<Reply, String> {
        let placed = ["bus", "addr"]
            .iter()
            .any(|key| arguments.contains_key(*key));
        let mut slot = None;
        if !placed && is_pci(client, driver)? {
            let found = self.free_slot(client)?;
            let hotplug = self.hotplug()?;
            arguments.insert("bus".to_owned(), Hotplug::at(&hotplug.bus, found).into());
            if let Some(addr) = &hotplug.addr {
                arguments.insert("addr".to_owned(), Hotplug::at(addr, found).into());
            }
            slot = Some(found);
        }
        let fresh = || format!("plug{}", self.plugs.last.fetch_add(1, Ordering::SeqCst) + 1);
        let id = arguments.entry("id").or_insert_with(|| fresh().into());
        let id = id.as_str().ok_or("its id is not a string")?.to_owned();
        ask(client, "device_add", Value::Object(arguments.clone()))?;
        Ok(Reply::done(format!("{id} {}\n", number(slot))))
    }

    /// `slot ID [--gone]`: returns the slot of a device, and waits for one that is still to be
    /// plugged. With `--gone` a deleted device is not an error and has no slot, because the
    /// firmware or the kernel may eject it before the guest asks.
    pub(super) fn slot(&self, client: &qmp::Client, args: &[String], asker: Asker<'_>) -> Reply {
        let (id, may_be_gone) = match args {
            [id] => (id, false),
            [id, option] if option == "--gone" => (id, true),
            _ => return Reply::error(2, "slot: expected one id"),
        };
        let left = self.clock.deadline(self.setting.scaled(super::WAIT_FOR));
        let limit = Limit::while_left(&left).or_if(asker.is_gone);
        let found = wait::poll(limit, || match self.slot_of(client, id) {
            Ok(DeviceLocation::Slot(slot)) => Some(Reply::done(format!("{slot}\n"))),
            Ok(DeviceLocation::Elsewhere) => Some(Reply::done("\n")),
            Ok(DeviceLocation::Nowhere) if may_be_gone && client.inbox().has_deleted(id) => {
                Some(Reply::done("\n"))
            }
            Ok(DeviceLocation::Nowhere) => None,
            Err(why) => Some(Reply::error(1, format!("slot {id}: {why}"))),
        });
        found.unwrap_or_else(|_| Reply::error(1, format!("slot: unknown device `{id}`")))
    }

    /// `unplug ID [--wait]`: requests the release of a device and returns its slot, or waits until
    /// it is gone.
    pub(super) fn unplug(&self, client: &qmp::Client, args: &[String], asker: Asker<'_>) -> Reply {
        let (id, wait) = match args {
            [id] => (id, false),
            [id, option] if option == "--wait" => (id, true),
            _ => return Reply::error(2, "unplug: expected one id"),
        };
        let failed = |why: String| Reply::error(1, format!("unplug {id}: {why}"));
        let slot = match self.slot_of(client, id) {
            Ok(DeviceLocation::Slot(slot)) => Some(slot),
            Ok(DeviceLocation::Elsewhere | DeviceLocation::Nowhere) => None,
            Err(why) => return failed(why),
        };
        if let Err(why) = ask(client, "device_del", json!({ "id": id })) {
            return failed(why);
        }
        if !wait {
            return Reply::done(format!("{}\n", number(slot)));
        }
        let gone = ["DEVICE_DELETED".to_owned(), format!("device={id}")];
        let gone = match Expected::parse(&gone) {
            Ok(gone) => gone,
            Err(error) => return failed(error.to_string()),
        };
        let left = self.clock.deadline(self.setting.scaled(UNPLUG_WAIT));
        let limit = Limit::while_left(&left).or_if(asker.is_gone);
        let gone = client.inbox().take(|event| gone.fits(event), limit);
        gone.map_or_else(
            |why| failed(format!("the guest did not release it: {why}")),
            |_| Reply::done(""),
        )
    }

    /// A hint why a device was not deleted, if the machine leaves that to the guest.
    pub(super) fn release_hint(&self, client: &qmp::Client, expected: &Expected) -> Option<String> {
        let id = expected.deleted_device()?;
        self.machine.hotplug.as_ref()?.connector.as_ref()?;
        let is_here = !matches!(
            self.slot_of(client, id),
            Ok(DeviceLocation::Nowhere) | Err(_)
        );
        is_here.then(|| {
            let machine = self.machine_name;
            format!(": on `{machine}` the guest keeps it until `in_guest` calls `release {id}`")
        })
    }

    fn hotplug(&self) -> Result<&Hotplug, String> {
        let name = self.machine_name;
        let hotplug = self.machine.hotplug.as_ref();
        hotplug.ok_or_else(|| format!("the machine `{name}` has no hotplug slots"))
    }

    fn free_slot(&self, client: &qmp::Client) -> Result<u32, String> {
        let hotplug = self.hotplug()?;
        let buses = ask(client, "query-pci", json!({}))?;
        let slots = self.setting.test.test.header.slots;
        (1..=slots)
            .find(|slot| occupant(&buses, hotplug, *slot).is_none())
            .ok_or_else(|| {
                format!("all hotplug slots are taken (the header says `slots = {slots}`)")
            })
    }

    /// The location of a device.
    fn slot_of(&self, client: &qmp::Client, id: &str) -> Result<DeviceLocation, String> {
        let known = ask(client, "qom-list", json!({ "path": "/machine/peripheral" }))?;
        let mut known = known.as_array().into_iter().flatten();
        if !known.any(|child| child["name"] == id) {
            return Ok(DeviceLocation::Nowhere);
        }
        let Some(hotplug) = &self.machine.hotplug else {
            return Ok(DeviceLocation::Elsewhere);
        };
        let buses = ask(client, "query-pci", json!({}))?;
        let mut slots = 1..=self.setting.test.test.header.slots;
        let slot = slots.find(|slot| occupant(&buses, hotplug, *slot) == Some(id));
        Ok(slot.map_or(DeviceLocation::Elsewhere, DeviceLocation::Slot))
    }
}

/// The location of a device.
enum DeviceLocation {
    Slot(u32),
    /// On a bus without slots.
    Elsewhere,
    Nowhere,
}

fn number(slot: Option<u32>) -> String {
    slot.map(|slot| slot.to_string()).unwrap_or_default()
}

fn ask(client: &qmp::Client, command: &str, arguments: Value) -> Result<Value, String> {
    let answer = client.execute(command, arguments, MONITOR_WAIT);
    answer.map_err(|error| error.to_string())
}

/// Whether a driver needs a slot of a PCI bus.
fn is_pci(client: &qmp::Client, driver: &str) -> Result<bool, String> {
    let arguments = json!({ "implements": "pci-device", "abstract": false });
    let types = ask(client, "qom-list-types", arguments)?;
    let mut types = types.as_array().into_iter().flatten();
    Ok(types.any(|kind| kind["name"] == driver))
}

/// The id of the device in a slot, from the answer of `query-pci`.
fn occupant<'a>(buses: &'a Value, hotplug: &Hotplug, slot: u32) -> Option<&'a str> {
    let list = |value: &'a Value| value.as_array().into_iter().flatten();
    let mut devices = list(buses).flat_map(|bus| list(&bus["devices"]));
    let found = if let Some(addr) = &hotplug.addr {
        let addr = u64::from_str_radix(&Hotplug::at(addr, slot), 16).ok();
        devices.find(|device| device["bus"] == 0 && device["slot"].as_u64() == addr)
    } else {
        let port = Hotplug::at(&hotplug.bus, slot);
        let port = devices.find(|device| device["qdev_id"].as_str() == Some(&port));
        port.and_then(|port| list(&port["pci_bridge"]["devices"]).next())
    };
    found.map(|device| device["qdev_id"].as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(device: Option<&str>, bus: &str, addr: Option<&str>) -> Hotplug {
        Hotplug {
            device: device.map(str::to_owned),
            bus: bus.to_owned(),
            addr: addr.map(str::to_owned),
            entry: String::new(),
            connector: None,
        }
    }

    #[test]
    fn root_port_slot_is_taken_by_child() {
        let ports = slots(Some("pcie-root-port"), "slot{n}", None);
        let buses = json!([{"bus": 0, "devices": [
            {"bus": 0, "slot": 1, "qdev_id": ""},
            {"bus": 0, "slot": 17, "qdev_id": "slot1", "pci_bridge": {"bus": {}, "devices": [
                {"bus": 1, "slot": 0, "qdev_id": "plug1"}]}},
            {"bus": 0, "slot": 18, "qdev_id": "slot2", "pci_bridge": {"bus": {}}},
        ]}]);
        assert_eq!(occupant(&buses, &ports, 1), Some("plug1"));
        assert_eq!(occupant(&buses, &ports, 2), None);
    }

    #[test]
    fn bus_slot_is_taken_by_address() {
        let own = slots(None, "pci.0", Some("1{n}"));
        let buses = json!([{"bus": 0, "devices": [
            {"bus": 0, "slot": 0x11, "qdev_id": "plug1"},
            {"bus": 0, "slot": 0x1e, "qdev_id": "kiln"},
            {"bus": 1, "slot": 0x12, "qdev_id": "other"},
            {"bus": 0, "slot": 0x13},
        ]}]);
        assert_eq!(occupant(&buses, &own, 1), Some("plug1"));
        assert_eq!(occupant(&buses, &own, 2), None);
        assert_eq!(occupant(&buses, &own, 3), Some(""));
    }
}

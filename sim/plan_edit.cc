#include "sim/plan_edit.h"

#include <algorithm>
#include <map>
#include <set>

namespace lockstep::sim {
namespace {

template <class Item>
void Erase(std::vector<Item>& items, std::size_t first, std::size_t count) {
  first = std::min(first, items.size());
  const auto begin = items.begin() + static_cast<std::ptrdiff_t>(first);
  items.erase(begin, begin + static_cast<std::ptrdiff_t>(std::min(count, items.size() - first)));
}

template <class Item>
void CloseGap(std::vector<Item>& items, SimTime from, SimTime to, bool drop) {
  if (drop) {
    std::erase_if(items, [&](const Item& item) { return item.at >= from && item.at < to; });
  }
  for (Item& item : items) {
    if (item.at >= to) {
      item.at = item.at - (to - from);
    } else if (item.at > from) {
      item.at = from;
    }
  }
}

// Numbers 0, 1, ... for those in `used`, in order.
std::map<std::uint64_t, std::uint64_t> Ranks(const std::set<std::uint64_t>& used) {
  std::map<std::uint64_t, std::uint64_t> ranks;
  for (const std::uint64_t number : used) {
    ranks.emplace(number, ranks.size());
  }
  return ranks;
}

std::string Plural(std::size_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace

bool IsShape(const SettingField& field) {
  return field.field == &Settings::nodes || field.field == &Settings::clients ||
         field.field == &Settings::keys || field.field == &Settings::fault_phase_us;
}

PlanSize SizeOf(const Plan& plan) {
  PlanSize size{.faults = plan.faults.size(),
                .operations = plan.operations.size(),
                .nodes = plan.settings.nodes,
                .clients = plan.settings.clients,
                .keys = plan.settings.keys};
  const Settings defaults;
  for (const SettingField& field : SettingFields()) {
    size.settings += !IsShape(field) && plan.settings.*field.field != defaults.*field.field ? 1 : 0;
  }
  for (const ClockError& clock : plan.clocks) {
    size.settings += clock.offset != Duration{} ? 1 : 0;
    size.settings += clock.drift_ppm != 0 ? 1 : 0;
  }
  return size;
}

std::string Describe(const PlanSize& size) {
  return Plural(size.faults, "fault") + ", " + Plural(size.operations, "operation") + ", " +
         Plural(static_cast<std::size_t>(size.nodes), "node") + ", " +
         Plural(static_cast<std::size_t>(size.clients), "client") + ", " +
         Plural(static_cast<std::size_t>(size.keys), "key") + ", " +
         Plural(size.settings, "setting");
}

Plan WithoutFaults(const Plan& plan, std::size_t first, std::size_t count) {
  Plan less = plan;
  Erase(less.faults, first, count);
  return less;
}

Plan WithoutOperations(const Plan& plan, std::size_t first, std::size_t count) {
  Plan less = plan;
  Erase(less.operations, first, count);
  return less;
}

Plan EndedAt(const Plan& plan, SimTime end) {
  Plan less = plan;
  std::erase_if(less.faults, [&](const Fault& fault) { return fault.at > end; });
  std::erase_if(less.operations, [&](const PlannedOperation& op) { return op.at > end; });
  less.settings.fault_phase_us = std::min(less.settings.fault_phase_us, end.ns / 1000);
  return less;
}

Plan WithoutTime(const Plan& plan, SimTime from, SimTime to, bool drop) {
  Plan less = plan;
  CloseGap(less.faults, from, to, drop);
  CloseGap(less.operations, from, to, drop);
  const SimTime end = SimTime{} + Microseconds(plan.settings.fault_phase_us);
  const SimTime new_end = end >= to ? end - (to - from) : std::min(end, from);
  less.settings.fault_phase_us = new_end.ns / 1000;
  return less;
}

Plan WithoutNodes(const Plan& plan, std::uint64_t nodes) {
  const auto count = static_cast<std::uint64_t>(plan.settings.nodes);
  const auto gone = [&](std::uint64_t id) {
    return id != kWhoeverLeads && (nodes >> (id - 1) & 1) != 0;
  };
  std::set<std::uint64_t> kept;
  for (std::uint64_t id = 1; id <= count; ++id) {
    if (!gone(id)) {
      kept.insert(id);
    }
  }
  const std::map<std::uint64_t, std::uint64_t> ranks = Ranks(kept);
  const auto renumbered = [&](std::uint64_t id) {
    const auto found = ranks.find(id);
    return found == ranks.end() ? id : 1 + found->second;
  };

  Plan less = plan;
  less.settings.nodes = static_cast<std::int64_t>(kept.size());
  less.clocks.clear();
  for (const std::uint64_t id : kept) {
    less.clocks.push_back(plan.clocks[id - 1]);
  }
  less.faults.clear();
  for (Fault fault : plan.faults) {
    const FaultShape& shape = ShapeOf(fault.kind);
    if ((shape.node && gone(fault.node)) || (shape.peer && gone(fault.peer))) {
      continue;
    }
    fault.node = shape.node ? renumbered(fault.node) : fault.node;
    fault.peer = shape.peer ? renumbered(fault.peer) : fault.peer;
    if (shape.group) {
      std::uint64_t group = 0;
      for (const std::uint64_t id : kept) {
        group |= (fault.group >> (id - 1) & 1) << (renumbered(id) - 1);
      }
      if (group == 0 || group == (std::uint64_t{1} << kept.size()) - 1) {
        continue;
      }
      fault.group = group;
    }
    less.faults.push_back(fault);
  }
  return less;
}

Plan WithClientMerged(const Plan& plan, std::uint64_t from, std::uint64_t to) {
  Plan merged = plan;
  for (PlannedOperation& operation : merged.operations) {
    operation.client = operation.client == from ? to : operation.client;
  }
  for (Fault& fault : merged.faults) {
    fault.client = fault.client == from ? to : fault.client;
  }
  return merged;
}

Plan WithKeyMerged(const Plan& plan, std::uint64_t from, std::uint64_t to) {
  Plan merged = plan;
  for (PlannedOperation& operation : merged.operations) {
    std::vector<std::uint64_t> keys;
    for (const std::uint64_t key : operation.keys) {
      const std::uint64_t renamed = key == from ? to : key;
      if (std::find(keys.begin(), keys.end(), renamed) == keys.end()) {
        keys.push_back(renamed);
      }
    }
    operation.keys = keys;
  }
  return merged;
}

Plan WithClientsPacked(const Plan& plan) {
  std::set<std::uint64_t> used;
  for (const PlannedOperation& operation : plan.operations) {
    used.insert(operation.client);
  }
  for (const Fault& fault : plan.faults) {
    if (ShapeOf(fault.kind).client) {
      used.insert(fault.client);
    }
  }
  const std::map<std::uint64_t, std::uint64_t> ranks = Ranks(used);
  Plan packed = plan;
  for (PlannedOperation& operation : packed.operations) {
    operation.client = ranks.at(operation.client);
  }
  for (Fault& fault : packed.faults) {
    fault.client = ShapeOf(fault.kind).client ? ranks.at(fault.client) : 0;
  }
  packed.settings.clients = std::max<std::int64_t>(1, static_cast<std::int64_t>(used.size()));
  return packed;
}

Plan WithKeysPacked(const Plan& plan) {
  std::set<std::uint64_t> used;
  for (const PlannedOperation& operation : plan.operations) {
    used.insert(operation.keys.begin(), operation.keys.end());
  }
  const std::map<std::uint64_t, std::uint64_t> ranks = Ranks(used);
  Plan packed = plan;
  for (PlannedOperation& operation : packed.operations) {
    for (std::uint64_t& key : operation.keys) {
      key = ranks.at(key);
    }
  }
  packed.settings.keys = std::max<std::int64_t>(1, static_cast<std::int64_t>(used.size()));
  return packed;
}

Plan WithDefaults(const Plan& plan, std::size_t first, std::size_t count) {
  Plan simpler = plan;
  const Settings defaults;
  std::size_t number = 0;
  // Whether the next one that differs is among those to take back.
  const auto wanted = [&] {
    const std::size_t at = number;
    ++number;
    return at >= first && at - first < count;
  };
  for (const SettingField& field : SettingFields()) {
    std::int64_t& value = simpler.settings.*field.field;
    if (!IsShape(field) && value != defaults.*field.field && wanted()) {
      value = defaults.*field.field;
    }
  }
  for (ClockError& clock : simpler.clocks) {
    if (clock.offset != Duration{} && wanted()) {
      clock.offset = Duration{};
    }
    if (clock.drift_ppm != 0 && wanted()) {
      clock.drift_ppm = 0;
    }
  }
  return simpler;
}

}  // namespace lockstep::sim

#include <saffron/context.h>
#include <saffron/schema.h>

#include <cstdlib>

// The declaration side of a schema: rules, defaults, descriptions. schema_decode.cpp checks values.

namespace saffron::inline sdk_v1 {

SchemaBase::~SchemaBase() = default;

bool Decoded::ok() const {
  return std::all_of(problems.begin(), problems.end(), [](const Problem& p) { return p.warning; });
}

Secret read_secret(const std::string& variable) {
  const char* found = variable.empty() ? nullptr : std::getenv(variable.c_str());
  return {variable, found ? found : ""};
}

std::shared_ptr<void> resolve_reference(Services& services, const char* kind,
                                        const std::string& node, const Origin& origin) {
  return services.reference(kind, node, origin);
}

std::vector<std::string> resolve_members(Services& services, const char* kind,
                                         const std::string& node, const Origin& origin) {
  return services.expand(kind, node, origin);
}

std::shared_ptr<void> resolve_child(Services& services, const char* kind, const Value& config) {
  return services.child(kind, config);
}

namespace {

// "1", "0.5": a bound as a recipe would spell it, without ".0".
std::string number_text(double value) {
  std::string text = to_toml(Value(value));
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

// ">= 1", "> 0", "< 1", "[0, 1)", or "" when everything is allowed.
std::string range_text(const Rule& rule) {
  const bool low = rule.low > -std::numeric_limits<double>::infinity();
  const bool high = rule.high < std::numeric_limits<double>::infinity();
  if (low && high) {
    return cat(rule.low_open ? '(' : '[', number_text(rule.low), ", ", number_text(rule.high),
               rule.high_open ? ')' : ']');
  }
  if (low) return cat(rule.low_open ? "> " : ">= ", number_text(rule.low));
  if (high) return cat(rule.high_open ? "< " : "<= ", number_text(rule.high));
  return {};
}

// The strictest of both. Of choices, the later list counts.
void narrow(Rule& rule, const Rule& more) {
  if (more.low > rule.low || (more.low == rule.low && more.low_open)) {
    rule.low = more.low;
    rule.low_open = more.low_open;
  }
  if (more.high < rule.high || (more.high == rule.high && more.high_open)) {
    rule.high = more.high;
    rule.high_open = more.high_open;
  }
  rule.required |= more.required;
  rule.hashed |= more.hashed;
  rule.hidden |= more.hidden;
  rule.unhashed |= more.unhashed;
  rule.not_empty |= more.not_empty;
  if (!more.choices.empty()) rule.choices = more.choices;
  if (!more.unit.empty()) rule.unit = more.unit;
  if (!more.since.empty()) rule.since = more.since;
  if (!more.alias.empty()) rule.alias = more.alias;
}

// A reference that names no node and a nested component without `use` are not there.
bool is_unset(const ParamInfo& info, const Value& value) {
  if (value.is_null()) return true;
  const bool named = info.type == ParamType::reference || info.type == ParamType::secret;
  if (named && !info.list) return value.is_string() && value.as_string().empty();
  return false;
}

}  // namespace

void SchemaBase::add(Field field, std::initializer_list<Rule> rules, const void* defaults) {
  for (const Rule& rule : rules) narrow(field.rule, rule);
  ParamInfo& info = field.info;
  info.range = range_text(field.rule);
  info.required = field.rule.required;
  info.hashed = field.rule.hashed;
  info.hidden = field.rule.hidden;
  info.unhashed = field.rule.unhashed;
  info.choices = field.rule.choices;
  info.unit = field.rule.unit;
  info.since = field.rule.since;
  info.alias = field.rule.alias;
  if (field.nested) info.fields = field.nested->params();
  if (!info.required) {
    Value value = field.encode(defaults);
    if (is_unset(info, value)) {
      info.optional = true;
    } else {
      info.default_value = std::move(value);
    }
  }
  fields_.push_back(std::move(field));
}

std::vector<ParamInfo> SchemaBase::params() const {
  std::vector<ParamInfo> out;
  for (const Field& field : fields_) out.push_back(field.info);
  return out;
}

Value SchemaBase::encode(const void* options) const {
  Value out = Value::table();
  for (const Field& field : fields_) {
    Value value = field.encode(options);
    if (!is_unset(field.info, value)) out.set(field.info.name, std::move(value));
  }
  return out;
}

void SchemaBase::bind(void* options, Services& services) const {
  for (const Field& field : fields_) {
    if (field.bind) field.bind(options, services);
  }
}

}  // namespace saffron::inline sdk_v1

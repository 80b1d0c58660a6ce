package shop

// field is a member of the contract.
type field uint8

const (
	fEventID field = iota
	fEventType
	fEventTime
	fProductID
	fUserID
	fSessionID
	fCategory
	fProductName
	fCountry
	fOrderID
	fLine
	fQuantity
	fUnitPrice
	fCurrency
	fSchemaVersion
	numFields
)

var fieldNames = [numFields]string{
	"event_id", "event_type", "event_time", "product_id", "user_id", "session_id", "category", "product_name", "country",
	"order_id", "line", "quantity", "unit_price", "currency", "schema_version",
}

// fieldOf is numFields for a name that is not in the contract. It is written
// out because a switch is several times faster than a map.
func fieldOf(name []byte) field {
	switch string(name) {
	case "event_id":
		return fEventID
	case "event_type":
		return fEventType
	case "event_time":
		return fEventTime
	case "product_id":
		return fProductID
	case "user_id":
		return fUserID
	case "session_id":
		return fSessionID
	case "category":
		return fCategory
	case "product_name":
		return fProductName
	case "country":
		return fCountry
	case "order_id":
		return fOrderID
	case "line":
		return fLine
	case "quantity":
		return fQuantity
	case "unit_price":
		return fUnitPrice
	case "currency":
		return fCurrency
	case "schema_version":
		return fSchemaVersion
	}
	return numFields
}

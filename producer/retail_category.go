package producer

import (
	"slices"
	"strings"
	"unicode"
)

// retailRules derive a category from a description's words. The first rule
// with a word of the description wins, so rules go from occasion to thing: a
// "CHRISTMAS CANDLE" is christmas, a "CAKE TIN" is kitchen.
//
// A word matches as a whole, upper case; "CANDLE" also matches "CANDLES".
var retailRules = []struct {
	category string
	words    string
}{
	{"christmas", "CHRISTMAS XMAS ADVENT REINDEER SANTA BAUBLE NOEL SNOWFLAKE SNOWMAN MISTLETOE"},
	{"easter", "EASTER BUNNY RABBIT CHICK"},
	{"garden", "GARDEN PARASOL PLANTER SEED WATERING HERB BIRDHOUSE TROWEL GARDENER GARDENERS FLOWERPOT HAMMOCK DECKCHAIR"},
	{"jewellery", "NECKLACE BRACELET EARRING RING BROOCH CHARM DIAMANTE PENDANT BANGLE BEAD JEWELLERY TIARA ANKLET EARRINGS HAIRCLIP HAIRBAND HAIR"},
	{"bags", "BAG BAGS HANDBAG SHOPPER RUCKSACK BACKPACK PURSE SUITCASE SATCHEL WALLET"},
	{"party", "PARTY BUNTING BALLOON CONFETTI PINATA CANDELABRA GARLAND STREAMER"},
	{"gift_wrap", "WRAP RIBBON RIBBONS GIFTBOX TISSUE BOW STICKER STICKERS TAPE"},
	{"cards", "CARD POSTCARD CARDS INVITE INVITES"},
	{"baking", "CAKE CAKESTAND BAKING BAKE COOKIE MUFFIN CUPCAKE PASTRY CASES JELLY"},
	{"tea_and_coffee", "TEA COFFEE MUG TEACUP TEAPOT SAUCER CUP CUPS TEATIME"},
	{"tableware", "PLATE BOWL CUTLERY NAPKIN NAPKINS DINNER PLACEMAT PLACEMATS COASTER COASTERS GLASS TUMBLER JUG DISH DOILY TABLECLOTH EGG STRAWS BEAKER"},
	{"kitchen", "KITCHEN APRON TIN JAR PANTRY OVEN RECIPE SPICE TOWEL TOWELS BREAD LUNCH TRAY CHOPPING SCALES TIMER JAM BOTTLE FRIDGE MAGNETS MAGNET PAN SPOON WHISK SIEVE FOOD"},
	{"lighting", "LIGHT LIGHTS LAMP LANTERN CHANDELIER LAMPSHADE TORCH BULB NIGHTLIGHT LED"},
	{"candles", "CANDLE CANDLESTICK CANDLEHOLDER INCENSE WICK TEALIGHT"},
	{"toys_and_games", "TOY TOYS GAME GAMES DOLL DOLLY JIGSAW PUZZLE SKIPPING DOMINO DOMINOES BALL MAGIC SPINNING PLAYHOUSE PIGGY SOLDIER ROBOT SKITTLES KITE YOYO TEDDY BABUSHKA SPACEBOY PLASTERS"},
	{"children", "CHILDREN CHILDRENS CHILD CHILDS BABY NURSERY KIDS BOYS GIRLS BIB"},
	{"craft", "CRAFT FELTCRAFT SEWING KNITTING CROCHET KNIT SCRAPBOOK EMBROIDERY BUTTON BUTTONS PAINT CHALK"},
	{"stationery", "NOTEBOOK PENCIL PEN PENS PENCILS RUBBER JOURNAL PAPER ENVELOPE STATIONERY STAMP CALENDAR PLANNER BOOK DIARY RULER ERASER CLIPBOARD CLIP MEMO BLACKBOARD CHALKBOARD"},
	{"bath", "BATH BATHROOM SOAP TOILET SPONGE WASHBAG SHOWER LOO MANICURE"},
	{"textiles", "CUSHION THROW QUILT BLANKET PILLOW FLANNEL RUG DOORMAT CURTAIN SCARF SLIPPER HOT PONCHO UMBRELLA GLOVE SOCK"},
	{"storage", "CHAIR STOOL BENCH FURNITURE CUPBOARD BOX BOXES STORAGE BASKET DRAWER CABINET CHEST RACK TRUNK CRATE HANGER HOOK HOOKS SHELF HANGERS KNOB"},
	{"wall_decoration", "SIGN WALL FRAME MIRROR PICTURE PHOTO ART PLAQUE TILE CANVAS POSTER LETTER"},
	{"decoration", "CLOCK ALARM DECORATION ORNAMENT HEART HEARTS STAR FLOWER HANGING WREATH VASE FIGURINE DOVE BIRD BUTTERFLY ROSE BELL HOLDER DOORSTOP TREE"},
}

// Categories of lines that no rule is for.
const (
	retailServices = "services" // postage, fees, discounts, samples: no products
	retailVouchers = "gift_vouchers"
	retailOther    = "other"
)

// retailServiceCodes are the stock codes of Online Retail that stand for no product.
var retailServiceCodes = []string{"POST", "DOT", "C2", "M", "m", "D", "S", "B", "CRUK", "AMAZONFEE", "BANK CHARGES"}

var retailWords = func() map[string]int {
	m := map[string]int{}
	for i, r := range retailRules {
		for w := range strings.FieldsSeq(r.words) {
			if _, taken := m[w]; !taken {
				m[w] = i
			}
		}
	}
	return m
}()

// retailCategory derives a stable category from a stock code and a
// description. It is a pure function of the two.
func retailCategory(code, description string) string {
	switch {
	case slices.Contains(retailServiceCodes, code):
		return retailServices
	case strings.HasPrefix(code, "gift_"):
		return retailVouchers
	}
	first := len(retailRules)
	words := strings.FieldsFuncSeq(strings.ToUpper(description), func(r rune) bool { return !unicode.IsLetter(r) })
	for w := range words {
		i, ok := retailWords[w]
		if !ok {
			i, ok = retailWords[strings.TrimSuffix(w, "S")]
		}
		if ok {
			first = min(first, i)
		}
	}
	if first == len(retailRules) {
		return retailOther
	}
	return retailRules[first].category
}

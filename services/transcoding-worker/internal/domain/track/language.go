package track

import "strings"

// alpha2 are the languages that have a code of two letters: pairs of their code of three letters (ISO
// 639-2, both forms where there are two) and of two (ISO 639-1), which BCP 47 wants in its place.
const alpha2 = "aar aa abk ab afr af aka ak alb sq sqi sq amh am ara ar arg an arm hy hye hy asm as ava av ave ae aym ay aze az " +
	"bak ba bam bm baq eu eus eu bel be ben bn bih bh bis bi bod bo tib bo bos bs bre br bul bg bur my mya my cat ca ces cs cze cs " +
	"cha ch che ce chi zh zho zh chu cu chv cv cor kw cos co cre cr cym cy wel cy dan da deu de ger de div dv dut nl nld nl dzo dz " +
	"ell el gre el eng en epo eo est et ewe ee fao fo fas fa per fa fij fj fin fi fra fr fre fr fry fy ful ff geo ka kat ka gla gd " +
	"gle ga glg gl glv gv grn gn guj gu hat ht hau ha heb he her hz hin hi hmo ho hrv hr hun hu ibo ig ice is isl is ido io iii ii " +
	"iku iu ile ie ina ia ind id ipk ik ita it jav jv jpn ja kal kl kan kn kas ks kau kr kaz kk khm km kik ki kin rw kir ky kom kv " +
	"kon kg kor ko kua kj kur ku lao lo lat la lav lv lim li lin ln lit lt ltz lb lub lu lug lg mac mk mkd mk mah mh mal ml mao mi " +
	"mri mi mar mr may ms msa ms mlg mg mlt mt mon mn nau na nav nv nbl nr nde nd ndo ng nep ne nno nn nob nb nor no nya ny oci oc " +
	"oji oj ori or orm om oss os pan pa pli pi pol pl por pt pus ps que qu roh rm ron ro rum ro run rn rus ru sag sg san sa sin si " +
	"slk sk slo sk slv sl sme se smo sm sna sn snd sd som so sot st spa es srd sc srp sr ssw ss sun su swa sw swe sv tah ty tam ta " +
	"tat tt tel te tgk tg tgl tl tha th tir ti ton to tsn tn tso ts tuk tk tur tr twi tw uig ug ukr uk urd ur uzb uz ven ve vie vi " +
	"vol vo wln wa wol wo xho xh yid yi yor yo zha za zul zu"

var byAlpha3 = func() map[string]string {
	f := strings.Fields(alpha2)
	m := make(map[string]string, len(f)/2)
	for i := 0; i+1 < len(f); i += 2 {
		m[f[i]] = f[i+1]
	}
	return m
}()

// Language returns the BCP 47 tag for what a file says of a track's language: an ISO 639 code or such a tag,
// in lower case. It returns nothing for what is neither, or for a code that means that nothing is known.
func Language(code string) string {
	code = strings.ToLower(strings.ReplaceAll(strings.TrimSpace(code), "_", "-"))
	base, rest, _ := strings.Cut(code, "-")
	if len(base) < 2 || len(base) > 3 || len(code) > 35 || strings.ContainsFunc(base, notLetter) {
		return ""
	}
	switch base {
	case "und", "mis", "mul", "zxx":
		return ""
	}
	if two, ok := byAlpha3[base]; ok {
		base = two
	}
	if rest == "" {
		return base
	}
	for _, r := range rest {
		if r != '-' && notLetter(r) && (r < '0' || r > '9') {
			return base
		}
	}
	return base + "-" + rest
}

func notLetter(r rune) bool { return r < 'a' || r > 'z' }

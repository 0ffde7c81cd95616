"""The codes of two published code lists with what each stands for, a line each; whole, as of the versions named. A test compares them.

DVDV.Praefixe: ITZBund, `urn:xoev-de:bund:bmi:bit:codeliste:dvdv.praefix`, version 51, valid from 2025-08-06.
Erreichbarkeit: KoSIT, `urn:de:xoev:codeliste:erreichbarkeit`, version 4.1, valid from 2025-02-03. It only adds to version 3.
"""

from __future__ import annotations

from typing import Final

DVDV_PREFIXES_VERSION: Final = "51"
DVDV_PREFIXES: Final = """
ag Amtsgericht
ags Meldebehörde
aik Architekten- und Ingenieurkammer
alp Ausländerportal
ane Aufnahmeeinrichtung
art Vollzugsbehörde Artenschutz
asb Arbeitsschutzbehörde
asy Empfangende Stelle Asylbewerberleistungen
azr Ausländerbehörde
bab Bauaufsichtsbehörde
bap Bauportal
bet Baubeteiligte Stelle
bgs Beglaubigungsstelle
bnd Bundesnachrichtendienst
bqa Berufsqualifikationsanerkennungsstelle
bqp Berufsqualifikationsanerkennungsportal
bta Empfangende Stelle BuT-Leistungen zum Bezug von Arbeitslosengeld II
btg Empfangende Stelle BuT-Leistungen zum Bezug von GruSi
bth Empfangende Stelle BuT-Leistungen zum Bezug von Hilfe zum Lebensunterhalt
btk Empfangende Stelle BuT-Leistungen zum Bezug von Kinderzuschlag
bto Empfangende Stelle BuT-Leistungen ohne laufenden Leistungsbezug
btw Empfangende Stelle BuT-Leistungen zum Bezug von Wohngeld
bty Empfangende Stelle BuT-Leistungen zum Bezug von Asylbewerberleistung
bza Bezahldienstanbieter
dbs § 38 1 einfache Behörde, § 38 1 und 5 einfache Behörde, § 38 3 und 5 Sicherheitsbehörde, Bundesbehörde
dmb Denkmalbehörde
dsc Datenschutzcockpit
eap Einheitlicher Ansprechpartner
ebb Einbürgerungsbehörde
egs Elterngeldstelle
ehp Engagement- und Hobbyportal
eid eID-Kartebehörde
eip Einbürgerungsportal
ent Empfangende Stelle Ermäßigtes Nahverkehrsticket
fap Familienportal
feb Fahrerlaubnisbehörde
fep Fahrerlaubnisportal
fib Fischereibehörde
fin Finanzamt
fsp Fahrtenschreiber-Portal
fss Fahrtenschreiber sonstige Stellen
gaa Gutachterausschuss
gab Gaststättenbehörde
gba Gemeindebauamt
ghb Gesundheitsbehörde
gka Gesetzliche Krankenkasse
gru Empfangende Stelle Grundsicherung
gsb Glücksspielaufsichtsbehörde
gst Gefahrstoffbehörde
hwk Handwerkskammer
hza Hauptzollamt
iga Integrationsamt
ihk Industrie- und Handelskammer
jab Jagdbehörde
jga Jugendamt
kat Katastrophenschutzbehörde
kka Kommunalkasse
kop Kommunalportal
kos Kraftomnibus sonstige Genehmigungsstelle
lap Landesportal
las Lichtbildabrufservice
lfu Landesamt für Umwelt
lic Lichtbild-Cloud
lvb Landesversorgungsbehörde
mad Militärischer Abschirmdienst
mbp Meldebehördenportal
MELDID Gewerbe
mrh Empfangende Stelle Übernahme von Mietrückständen
omp Kraftomnibusportal
opt Optionskommune
ora Ordnungsamt
pab Personalausweisbehörde
pap Passausweisportal
pbp Personenbeförderungsportal
pbs Personenbeförderung sonstige Genehmigungsstelle
pdb Polizeibehörde des Bundes
pdl Polizeibehörde des Landes
pfg Empfangende Stelle Pass für Geringverdiener
pin Prüfingenieur
psb Passbehörde
psw Standesamt
rel Religionsgesellschaft
sap Standesamtsportal
sbb Straßenbaubehörde
sfd Steuerfahndungsdienststelle der Länder
soa Sozialamt
sop Sozialportal
sps Empfangende Stelle Seniorenpass
stb Strahlenschutzbehörde
stk Staatskanzlei
svb Straßenverkehrsbehörde
töj Träger der öffentlichen Jugendhilfe
tpg Technische Prüfgesellschaften
ubb Untere Bauaufsichtsbehörde
ufb Untere Fischereibehörde
unb Untere Naturschutzbehörde
upo Unternehmensportal
usv Untere Straßenverkehrsbehörde
uvs Unterhaltsvorschussstelle
uwp Umweltportal
vbe Versammlungsbehörde
vma Vermessungsamt
vps Bewilligungsstelle Vereinspauschale
vsb Verfassungsschutzbehörde des Bundes und der Länder
wab Waffenbehörde
wap Waffenportal
wbs Empfangende Stelle Wohnberechtigungsschein
wgb Wohngeldbehörde
wgp Wohngeldportal
whp Wasserhygieneportal
wku Weitere Kommunikationspartner Xunternehmen
wrb Wasserrechtsbehörde
xga Empfangsstelle_Gewerbeanzeige
zfd Zollfahndungsdienst
zla Zentraler Lichtbildbestand Ausweis
zlp Zentraler Lichtbildbestand Pass
bwb Bestattungswesensbehörde
asl Anzeigestelle Ladenschluss
"""

CHANNELS_VERSION: Final = "4.1"
CHANNELS: Final = """
01 E-Mail
02 Telefon Festnetz
03 Telefon mobil
04 Fax
05 Instant Messenger
06 Pager
07 Sonstiges
08 De-Mail
09 Web
10 Web sicher
11 Kontaktformular sicher
12 Facebook
13 X (vormals Twitter)
14 Mastodon
15 Instagram
"""

"""An operator's folder of schemas, made for tests: a standard of one message, whose schema imports another."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import yaml
from lxml import etree

from schemas import xml

TODAY = date(2026, 6, 1)
NAMESPACE = "http://example.org/probe/2/6"
CANARY = "Quellwasser"
SCHEMA = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:p="{NAMESPACE}" xmlns:k="http://example.org/kopf"
  targetNamespace="{NAMESPACE}" elementFormDefault="qualified">
  <xs:import namespace="http://example.org/kopf" schemaLocation="{{location}}"/>
  <xs:element name="probe.antrag.0100"><xs:complexType><xs:sequence>
    <xs:element name="wert" type="k:Wert" maxOccurs="unbounded"/></xs:sequence><xs:attribute name="id" type="xs:int" use="required"/></xs:complexType></xs:element>
</xs:schema>"""
IMPORTED = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://example.org/kopf">
  <xs:simpleType name="Wert"><xs:restriction base="xs:string"><xs:maxLength value="5"/></xs:restriction></xs:simpleType>
</xs:schema>"""
ROW = {"name": "Probe 2.6", "namespace": NAMESPACE, "folder": "probe", "entry": "probe.xsd", "imports": ["kosit"]}
NONE = {"name": "Probe 2.7", "namespace": "http://example.org/probe/2/7", "schema": "none"}


def probe(values: list[str], root: str = "probe.antrag.0100") -> etree._Element:
    """A message of the operator's standard."""
    inner = "".join(f"<p:wert>{value}</p:wert>\n" for value in values)
    return xml.parse(f'<p:{root} id="1" xmlns:p="{NAMESPACE}">\n{inner}</p:{root}>'.encode())


def of(namespace: str) -> etree._Element:
    """A message of which only the namespace counts."""
    return etree.Element(f"{{{namespace}}}probe.antrag.0100" if namespace else "probe.antrag.0100")


def write_folder(at: Path) -> Path:
    """A folder whose schema names its import by an address that nobody may call."""
    operator = at / "operator"
    for name in ("probe", "kosit"):
        (operator / name).mkdir(parents=True)
    write_schema(operator, "http://xoev.de.invalid/schemata/kopf/1_0/kopf.xsd")
    (operator / "kosit/kopf.xsd").write_text(IMPORTED, encoding="utf-8")
    write_rows(operator, ROW, NONE)
    return operator


def write_schema(folder: Path, location: str) -> None:
    """The entry file with its import from a place."""
    (folder / "probe/probe.xsd").write_text(SCHEMA.format(location=location), encoding="utf-8")


def write_rows(folder: Path, *rows: object) -> None:
    """The page of the operator."""
    (folder / "schemas.yaml").write_text(yaml.safe_dump(list(rows)), encoding="utf-8")

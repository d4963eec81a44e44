<!-- Compiled by backupspec from hosts.kvm; change the inventory, not this file. -->
<!-- What a definition has. Parameter `show`: `disks` (target, type, format, source and `encrypted`, one a line), `uuid`, `name`, or `boot` (files that
     it is booted from, one a line). -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="text"/>
  <xsl:param name="show" select="'disks'"/>
  <xsl:template match="/">
    <xsl:choose>
      <xsl:when test="$show = 'uuid'"><xsl:value-of select="domain/uuid"/></xsl:when>
      <xsl:when test="$show = 'name'"><xsl:value-of select="domain/name"/></xsl:when>
      <xsl:when test="$show = 'boot'">
        <xsl:for-each select="domain/os/loader | domain/os/kernel | domain/os/initrd | domain/os/dtb">
          <xsl:value-of select="concat(translate(., '&#10;', '?'), '&#10;')"/>
        </xsl:for-each>
      </xsl:when>
      <xsl:otherwise><xsl:apply-templates select="domain/devices/disk[not(@device) or @device='disk' or @device='lun']"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <xsl:template match="disk">
    <xsl:value-of select="translate(target/@dev, '&#9;&#10;', '??')"/>
    <xsl:text>&#9;</xsl:text>
    <xsl:value-of select="translate(@type, '&#9;&#10;', '??')"/>
    <xsl:text>&#9;</xsl:text>
    <xsl:choose>
      <xsl:when test="driver/@type"><xsl:value-of select="translate(driver/@type, '&#9;&#10;', '??')"/></xsl:when>
      <xsl:otherwise>raw</xsl:otherwise>
    </xsl:choose>
    <xsl:text>&#9;</xsl:text>
    <xsl:value-of select="translate(source/@file | source/@dev | source/@name | source/@volume | source/@dir, '&#9;&#10;', '??')"/>
    <xsl:text>&#9;</xsl:text>
    <xsl:if test="encryption or source/encryption">encrypted</xsl:if>
    <xsl:text>&#10;</xsl:text>
  </xsl:template>
</xsl:stylesheet>
